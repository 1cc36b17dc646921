import type { LinkMessage } from "@trellis/client/internal";
import { TransportError } from "@trellis/protocol";

export type StreamAnswer =
  | { readonly kind: "stored"; readonly sequence: number; readonly duplicate: boolean }
  | { readonly kind: "refused"; readonly lastSequence: number | undefined }
  | { readonly kind: "failed"; readonly passing: boolean; readonly error: TransportError };

const decoder = new TextDecoder();
const CONFLICT = 10071;
/** No room in stream, storage or account. */
const FULL: ReadonlySet<number> = new Set([10023, 10028, 10047, 10077, 10122]);
/** Another record with this message id, or of this subject, is being stored at this moment: perhaps an earlier try of ours. */
const IN_PROCESS: ReadonlySet<number> = new Set([10158, 10164]);
const MESSAGE_NOT_FOUND = 10037;

/** What JetStream answered to a publish. */
export function readAnswer({ data }: LinkMessage): StreamAnswer {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(data));
  } catch {
    value = undefined;
  }
  if (!isObject(value))
    return failed(false, "What confirmed the record is not an acknowledgement of JetStream.", "invalid_reply");
  if (!isObject(value.error)) {
    return typeof value.seq === "number"
      ? { kind: "stored", sequence: value.seq, duplicate: value.duplicate === true }
      : failed(false, "JetStream acknowledged the record without a sequence.", "invalid_reply");
  }
  const code = typeof value.error.err_code === "number" ? value.error.err_code : 0;
  const why = typeof value.error.description === "string" ? value.error.description : "no reason given";
  if (code === CONFLICT) {
    const last = /: (\d+)$/.exec(why)?.[1];
    return { kind: "refused", lastSequence: last === undefined ? undefined : Number(last) };
  }
  if (FULL.has(code)) return failed(false, `The job stream is full (${why}).`, "overloaded");
  return failed(
    IN_PROCESS.has(code) || value.error.code === 503,
    `The job stream refused the record: ${why}.`,
    "retry_later",
  );
}

export function isNotFound(answer: unknown): boolean {
  return isObject(answer) && isObject(answer.error) && answer.error.err_code === MESSAGE_NOT_FOUND;
}

function failed(passing: boolean, message: string, code: "overloaded" | "retry_later" | "invalid_reply"): StreamAnswer {
  return { kind: "failed", passing, error: new TransportError(code, { message }) };
}

function isObject(value: unknown): value is { readonly [member: string]: unknown } {
  return typeof value === "object" && value !== null;
}
