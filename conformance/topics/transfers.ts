import { transferControlSubject, transferSubject } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import {
  isTransferControl,
  LIMITS,
  parseDownloadFrame,
  parseTransferGrant,
  parseTransferOpening,
  parseUploadControl,
  parseUploadFrame,
} from "@trellis/protocol";
import { readInput, utf8 } from "../input.ts";
import type { Topic } from "../topic.ts";

const id = "Ab-_0123456789abcdefgh";
const digest = "u7h2fJxPcd9HDsSh0GzM3zjFrfS8btaLSh1nx9JV-9s";
const control = transferControlSubject("orders", "replica1", "Bb-_0123456789abcdefgh");
const grant = {
  type: "TransferGrant",
  direction: "receive",
  service: "orders",
  transferId: id,
  subject: transferSubject("download", "orders", id),
  expiresAt: "2026-11-26T15:00:00.000Z",
  chunkBytes: LIMITS.transferChunkBytes,
};
const grants: readonly (readonly [string, Json])[] = [
  ["to receive", grant],
  [
    "to receive, with everything",
    { ...grant, info: { size: 5, digest }, contentType: "text/csv", metadata: { a: "b" } },
  ],
  ["to send", { ...grant, direction: "send", subject: transferSubject("upload", "orders", id), maxBytes: 10 }],
  ["with unknown members", { ...grant, later: true }],
  ["for a subject that is not its own", { ...grant, subject: "rpc.v1.Secret" }],
  ["to receive where one sends", { ...grant, subject: transferSubject("upload", "orders", id) }],
  ["of a service whose name widens the subject", { ...grant, service: "*" }],
  [
    "with an id that can be guessed",
    { ...grant, transferId: "1", subject: transferSubject("download", "orders", "1") },
  ],
  ["with chunks of nothing", { ...grant, chunkBytes: 0 }],
  ["with chunks that NATS does not take", { ...grant, chunkBytes: LIMITS.maxTransferChunkBytes + 1 }],
  ["with a negative size", { ...grant, info: { size: -1 } }],
  ["with a digest of another shape", { ...grant, info: { digest: "SHA-256=" } }],
  ["with metadata that is no text", { ...grant, metadata: { a: 1 } }],
  ["without a time", { ...grant, expiresAt: "soon" }],
  ["nothing", null],
];
const openings: readonly Json[] = [
  { after: 0 },
  { after: 7, size: 900 },
  { after: -1 },
  { after: 0, size: "9" },
  {},
  1,
];
const ready = { type: "ready", control, credits: 32 };
const end = { type: "end", seq: 2, size: 131_077, digest };
const downloads: readonly Json[] = [
  ready,
  end,
  { type: "heartbeat", seq: 2 },
  { type: "error", seq: 2, error: { id: "e", type: "TransferError", message: "m", code: "expired" } },
  { type: "end", seq: 2 },
  { ...end, digest: "" },
  { type: "frame", seq: 1, data: 1 },
  { type: "ack", seq: 0, upTo: 32 },
];
const uploads: readonly Json[] = [
  ready,
  { type: "ack", seq: 0, upTo: 32 },
  { type: "ack", seq: 5, upTo: 4 },
  { type: "again", seq: 3 },
  { ...end, type: "stored" },
  { type: "stored", seq: 2 },
  { type: "heartbeat", seq: 2, prove: true },
  end,
];
const controls: readonly Json[] = [
  end,
  { type: "heartbeat", seq: 2 },
  { type: "cancel" },
  { type: "credits", upTo: 1 },
];
const chunkNumbers = ["1", "9007199254740991", "9007199254740992", "0", "01", "1.5", "-1", ""];
const subjects = [
  control,
  `${control}.more`,
  "transfer.v1.control.orders.*.x",
  "transfer.v1.control.other.r.s",
  "rpc.v1.A",
];

export const transfersTopic: Topic = {
  topic: "transfers",
  about: [
    "input.grant is a grant as an answer carried it: output.parsed is what it says (unknown members dropped), null where a runtime must not act on it.",
    "input.opening is the text of the payload that opens a transfer.",
    "input.download and input.upload are the text of a message a service sends on an open transfer, input.control of one it receives: output.parsed is what it says, null where it is nothing.",
    "input.chunk is the header trellis-transfer-seq of a message with the bytes 01 02 03: output.seq is the number of the chunk, null where it is none.",
    "input.subject: output.isControl says whether it is where the service orders may have the control of a transfer; a peer writes to no other.",
  ],
  given: [
    ...grants.map(([name, one]) => ({ name: `grant ${name}`, input: { grant: one } })),
    ...openings.map((one) => ({ name: `opening ${JSON.stringify(one)}`, input: { opening: JSON.stringify(one) } })),
    ...downloads.map((one) => ({ name: `download ${JSON.stringify(one)}`, input: { download: JSON.stringify(one) } })),
    ...uploads.map((one) => ({ name: `upload ${JSON.stringify(one)}`, input: { upload: JSON.stringify(one) } })),
    ...controls.map((one) => ({ name: `control ${JSON.stringify(one)}`, input: { control: JSON.stringify(one) } })),
    ...chunkNumbers.map((chunk) => ({ name: `chunk ${JSON.stringify(chunk)}`, input: { chunk } })),
    ...subjects.map((subject) => ({ name: `subject ${subject}`, input: { subject } })),
  ],
  run(input) {
    const given = readInput(input);
    const one = given.optionalJson("grant");
    if (one !== undefined) return { parsed: plain(parseTransferGrant(one)) };
    const opening = given.optionalText("opening");
    if (opening !== undefined) return { parsed: plain(parseTransferOpening(utf8(opening))) };
    const download = given.optionalText("download");
    if (download !== undefined) return { parsed: plain(parseDownloadFrame(utf8(download), undefined)) };
    const upload = given.optionalText("upload");
    if (upload !== undefined) return { parsed: plain(parseUploadFrame(utf8(upload))) };
    const written = given.optionalText("control");
    if (written !== undefined) return { parsed: plain(parseUploadControl(utf8(written), undefined)) };
    const chunk = given.optionalText("chunk");
    if (chunk !== undefined) {
      const read = parseDownloadFrame(new Uint8Array([1, 2, 3]), chunk);
      return { seq: read?.type === "chunk" ? read.seq : null };
    }
    return { isControl: isTransferControl("orders", given.text("subject")) };
  },
};

function plain(value: object | undefined): Json {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}
