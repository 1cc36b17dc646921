import { streamControlSubject } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import { isControlOf, LIMITS, parseStreamControl, parseStreamFrame } from "@trellis/protocol";
import { readInput, utf8 } from "../input.ts";
import type { Topic } from "../topic.ts";

const control = streamControlSubject("feeds.v1.Orders.Live", "orders", "replica1", "Bb-_0123456789abcdefgh");
const frames: readonly Json[] = [
  { type: "ready", control, credits: LIMITS.streamCredits },
  { type: "ready", control, credits: 16, heartbeatMs: 2_000 },
  { type: "ready", control, credits: 16, heartbeatMs: 0 },
  { type: "frame", seq: 1, data: { any: ["json", null] } },
  { type: "frame", seq: 2, data: null, cursor: "after-2" },
  { type: "heartbeat", seq: 2 },
  { type: "heartbeat", seq: 2, prove: true },
  { type: "heartbeat", seq: 2, prove: "yes" },
  { type: "end", seq: 2, later: true },
  { type: "error", seq: 2, error: { id: "e", type: "T", message: "m", context: {} } },
  { type: "ready", control: "feeds.v1.>", credits: 1 },
  { type: "ready", control, credits: LIMITS.maxStreamCredits + 1 },
  { type: "frame", seq: 0, data: 1 },
  { type: "frame", seq: 1.5, data: 1 },
  { type: "frame", seq: 1 },
  { type: "frame", seq: 1, data: 1, cursor: 5 },
  { type: "end" },
  { type: "error", seq: 2, error: { id: "e" } },
  { type: "later" },
  [],
];
const controls: readonly Json[] = [
  { type: "credits", upTo: 128 },
  { type: "heartbeat", seq: 5 },
  { type: "cancel", later: true },
  { type: "credits", upTo: -1 },
  { type: "credits" },
  { type: "frame", seq: 1, data: 1 },
  null,
];
const controlSubjects = [
  control,
  `${control}.more`,
  "feeds.v1.Orders.Live.control.stream.replica1.x",
  "feeds.v1.Orders.Live.control.stream.orders.*.x",
  "feeds.v1.Orders.control.stream.o.r.s",
  "rpc.v1.Secret",
];

export const streamsTopic: Topic = {
  topic: "streams",
  about: [
    "input.frame is the text of a message on a stream, input.control one to its control subject: output.parsed is what it says (unknown members dropped), null where it is neither.",
    "input.surface and subject: output.isControl says whether the subject is where a stream of the surface may have its control; a reader writes to no other.",
  ],
  given: [
    ...frames.map((frame) => ({ name: `frame ${JSON.stringify(frame)}`, input: { frame: JSON.stringify(frame) } })),
    ...controls.map((one) => ({ name: `control ${JSON.stringify(one)}`, input: { control: JSON.stringify(one) } })),
    ...controlSubjects.map((subject) => ({
      name: `subject ${subject}`,
      input: { surface: "feeds.v1.Orders.Live", subject },
    })),
  ],
  run(input) {
    const given = readInput(input);
    const frame = given.optionalText("frame");
    if (frame !== undefined) return { parsed: plain(parseStreamFrame(utf8(frame))) };
    const one = given.optionalText("control");
    if (one !== undefined) return { parsed: plain(parseStreamControl(utf8(one))) };
    return { isControl: isControlOf(given.text("surface"), given.text("subject")) };
  },
};

function plain(value: object | undefined): Json {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}
