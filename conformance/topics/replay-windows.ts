import type { Json } from "@trellis/contracts";
import { parseRequestId, ReplayWindow } from "@trellis/protocol";
import { readInput } from "../input.ts";
import { OTHER_SEED, SEED, testKey } from "../test-key.ts";
import type { Given, Topic } from "../topic.ts";

const a = testKey(SEED).sessionKey;
const b = testKey(OTHER_SEED).sessionKey;
const start = 1_735_689_700;
const id = (counter: number, nonce = "A"): string => `${nonce.repeat(22)}.${counter}`;
/** One arrival: seconds after the start it was signed and it arrives, its id and whose it is. */
const step = (signed: number, arrives: number, requestId: string, sessionKey = a): Json => ({
  sessionKey,
  requestId,
  iat: start + signed,
  nowMs: (start + arrives) * 1_000,
});
const window = (name: string, steps: readonly Json[], startedAtMs = start * 1_000): Given => ({
  name,
  input: { startedAtMs, steps },
});

export const replayWindowsTopic: Topic = {
  topic: "replay-windows",
  about: [
    "A process that began to accept at input.startedAtMs sees input.steps in order; output.verdicts are its answers.",
    "accepted: once for each session and request id. replayed: the id was accepted before. iat_out_of_range: more than 30 s from now, by whole seconds.",
    "too_early: signed in a second that began before the process did, so that another process may have accepted it; the caller is told to send a new request.",
  ],
  given: [
    window("once", [step(1, 1, id(1)), step(1, 1, id(1)), step(1, 31, id(1)), step(1, 32, id(1))]),
    window(
      "in any order",
      [5, 3, 900, 4, 3, 5, 900, 0, 9_007_199_254_740_991, 9_007_199_254_740_991].map((counter) =>
        step(1, 1, id(counter)),
      ),
    ),
    window("sessions and nonces are apart", [
      step(1, 1, id(1)),
      step(1, 1, id(1), b),
      step(1, 1, id(1, "B")),
      step(1, 2, id(1, "B")),
    ]),
    window("freshness", [
      step(60, 90, id(1)),
      step(60, 91, id(2)),
      step(90, 60, id(3)),
      step(91, 60, id(4)),
      step(90, 120, id(3)),
      step(90, 121, id(3)),
    ]),
    window("an id stays used under another time", [step(1, 1, id(1)), step(20, 20, id(1))]),
    window("before the start", [step(-1, 0, id(1)), step(0, 0, id(2))]),
    window("within the second of the start", [step(0, 1, id(1)), step(1, 1, id(2))], start * 1_000 + 400),
  ],
  run(input) {
    const given = readInput(input);
    const replay = new ReplayWindow({ startedAtMs: given.number("startedAtMs") });
    return {
      verdicts: given.list("steps").map((one) => {
        const read = readInput(one);
        const requestId = parseRequestId(read.text("requestId"));
        if (requestId === undefined) throw new Error("a step has no request id");
        return replay.accept(
          { sessionKey: read.text("sessionKey"), id: requestId, iat: read.number("iat") },
          read.number("nowMs"),
        );
      }),
    };
  },
};
