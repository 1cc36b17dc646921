import { TransportError } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";

const decoder = new TextDecoder();

/** JetStream's codes for "there is no room". */
const FULL: ReadonlySet<number> = new Set([10077, 10047, 10122]);
/** JetStream's code for a message larger than the stream takes. */
const TOO_LARGE = 10054;
const UNAVAILABLE = 503;
/** An event with this id is on its way to a majority: an earlier try of ours, which nobody has confirmed yet. */
const IN_PROCESS = 10158;

/** What storage answered to a publish. `retry_later` is the one error worth another try. */
export function readPubAck(
  data: Uint8Array,
): Result<{ readonly sequence: number; readonly duplicate: boolean }, TransportError> {
  const answer = parse(data);
  if (answer === undefined)
    return err(
      new TransportError("invalid_reply", {
        message: "What confirmed the event is not an acknowledgement of JetStream.",
      }),
    );
  if (answer.error !== undefined) return err(refusal(answer.error));
  if (typeof answer.seq !== "number")
    return err(
      new TransportError("invalid_reply", { message: "JetStream acknowledged the event without a sequence." }),
    );
  return ok({ sequence: answer.seq, duplicate: answer.duplicate === true });
}

interface PubAck {
  readonly seq?: unknown;
  readonly duplicate?: unknown;
  readonly error?: { readonly code?: unknown; readonly err_code?: unknown; readonly description?: unknown };
}

function parse(data: Uint8Array): PubAck | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(data));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function refusal(error: NonNullable<PubAck["error"]>): TransportError {
  const code = typeof error.err_code === "number" ? error.err_code : 0;
  const why = typeof error.description === "string" ? error.description : "no reason given";
  if (FULL.has(code)) {
    return new TransportError("overloaded", {
      message: `The event was not stored: the event stream is full (${why}).`,
      hint: "Raise TRELLIS_EVENTS_MAX_BYTES or free disk space, then publish it again.",
    });
  }
  if (code === TOO_LARGE)
    return new TransportError("payload_too_large", { message: `The event was not stored: ${why}.` });
  return new TransportError("retry_later", {
    message: `The event was not stored: storage refused it (${why}).`,
    retryable: error.code === UNAVAILABLE || code === IN_PROCESS,
  });
}
