import {
  AUTH_REASONS,
  AuthError,
  decodeError,
  encodeError,
  RemoteError,
  TRANSFER_CODES,
  TransferError,
  TRANSPORT_CODES,
  TRANSPORT_WORDS,
  TransportError,
  ValidationError,
} from "@trellis/protocol";
import type { Json, TrellisError } from "@trellis/contracts";
import { readInput, utf8 } from "../input.ts";
import type { Topic } from "../topic.ts";

const id = "01JTZ3N9V5B4X4Z0M6J9E8Q2RC";
const bodies: readonly (readonly [string, Json])[] = [
  ...AUTH_REASONS.map((reason) => [`AuthError ${reason}`, { id, type: "AuthError", message: "m", reason }] as const),
  ...TRANSPORT_CODES.map(
    (code) =>
      [
        `TransportError ${code}`,
        { id, type: "TransportError", message: "m", code, hint: "h", retryable: TRANSPORT_WORDS[code].retryable },
      ] as const,
  ),
  ...TRANSFER_CODES.map(
    (code) => [`TransferError ${code}`, { id, type: "TransferError", message: "m", code }] as const,
  ),
  [
    "ValidationError",
    { id, type: "ValidationError", message: "m", issues: [{ path: "/a/0", message: "is not a number" }] },
  ],
  ["UnexpectedError carries nothing but its id", { id, type: "UnexpectedError", message: "m", stack: "secret" }],
  [
    "an unknown type is preserved",
    { id, type: "OrderNotFound", message: "m", code: "gone", context: { orderId: "o-1" }, later: [1, null] },
  ],
  ["an unknown reason is preserved", { id, type: "AuthError", message: "m", reason: "later" }],
  ["an unknown code is preserved", { id, type: "TransportError", message: "m", code: "later" }],
  ["issues of another shape are preserved", { id, type: "ValidationError", message: "m", issues: ["text"] }],
];
const unreadable: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["not JSON", "nope"],
  ["a list", "[]"],
  ["no id", '{"type":"T","message":"m"}'],
  ["no type", '{"id":"i","message":"m"}'],
  ["an empty type", '{"id":"i","type":"","message":"m"}'],
  ["a code that is no text", '{"id":"i","type":"T","message":"m","code":5}'],
];

export const errorsTopic: Topic = {
  topic: "errors",
  about: [
    "input.body is the text of an error reply, read by a caller that knows no declared errors.",
    "output.class is what it becomes, with the members that class has. RemoteError keeps the whole body. A body that cannot be read is a TransportError invalid_reply.",
    "output.again is the body written from that error under the same id, as a JSON value: the order of members is free.",
  ],
  given: [
    ...bodies.map(([name, body]) => ({ name, input: { body: JSON.stringify(body) } })),
    ...unreadable.map(([name, body]) => ({ name: `unreadable: ${name}`, input: { body } })),
  ],
  run(input) {
    const error = decodeError(utf8(readInput(input).text("body")));
    const described = describe(error);
    if (error instanceof TransportError && error.id === undefined) return described;
    return { ...described, again: JSON.parse(new TextDecoder().decode(encodeError(error, id))) };
  },
};

function describe(error: TrellisError): { readonly [member: string]: Json } {
  const base = { class: error.name };
  if (error instanceof AuthError) return { ...base, reason: error.reason };
  if (error instanceof ValidationError) return { ...base, issues: error.issues.map((issue) => ({ ...issue })) };
  if (error instanceof TransportError) return { ...base, code: error.code, retryable: error.retryable };
  if (error instanceof TransferError) return { ...base, code: error.code };
  if (error instanceof RemoteError) return { ...base, type: error.type, body: JSON.parse(JSON.stringify(error.body)) };
  return base;
}
