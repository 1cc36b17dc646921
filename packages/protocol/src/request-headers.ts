import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { AuthError, ValidationError } from "./errors.ts";
import { HEADERS } from "./headers.ts";
import type { HeaderReader, HeaderWriter } from "./headers.ts";
import { LIMITS } from "./limits.ts";
import { parseRequestId } from "./request-id.ts";
import type { RequestId } from "./request-id.ts";
import { isSessionKey, isSignature } from "./signed-text.ts";

/** What a caller puts on a request besides its payload. */
export interface RequestHeaders {
  readonly sessionKey: string;
  /** Base64url of the Ed25519 signature of the proof digest. */
  readonly proof: string;
  /** Seconds, corrected to server time. */
  readonly iat: number;
  readonly requestId: string;
  /** How long the caller still waits. */
  readonly deadlineMs: number;
}

/** The headers of a received request, with the request id taken apart. */
export interface ParsedRequestHeaders extends RequestHeaders {
  readonly id: RequestId;
}

/** Writes the headers of a request; a deadline beyond the limit is cut to it. */
export function writeRequestHeaders(headers: HeaderWriter, request: RequestHeaders): void {
  headers.set(HEADERS.sessionKey, request.sessionKey);
  headers.set(HEADERS.proof, request.proof);
  headers.set(HEADERS.iat, String(request.iat));
  headers.set(HEADERS.requestId, request.requestId);
  headers.set(HEADERS.deadline, String(boundDeadline(request.deadlineMs)));
}

/** A deadline as it may travel: whole milliseconds, at least one, at most the limit. */
export function boundDeadline(deadlineMs: number = LIMITS.defaultDeadlineMs): number {
  return Math.min(Math.max(1, Math.floor(deadlineMs)), LIMITS.maxDeadlineMs);
}

const IAT = /^(?:0|[1-9][0-9]{0,11})$/;
const DEADLINE = /^[1-9][0-9]{0,8}$/;

/**
 * Reads the headers of a request. Each occurs once and has one spelling, so what was checked is what was signed.
 * A deadline may be absent (the default) and is cut to the limit.
 */
export function parseRequestHeaders(
  headers: HeaderReader | undefined,
): Result<ParsedRequestHeaders, AuthError | ValidationError> {
  if (headers === undefined) return err(new AuthError("missing_session_key"));
  const keys = headers.values(HEADERS.sessionKey);
  const sessionKey = keys[0];
  if (sessionKey === undefined) return err(new AuthError("missing_session_key"));
  if (keys.length !== 1 || !isSessionKey(sessionKey))
    return err(new AuthError("session_not_found", { message: malformed(HEADERS.sessionKey) }));

  const proof = only(headers, HEADERS.proof);
  if (!isSignature(proof)) return err(new AuthError("invalid_signature", { message: malformed(HEADERS.proof) }));
  if (headers.values(HEADERS.proofAlg).length > 0) {
    return err(new AuthError("invalid_signature", { message: "This version knows no other proof than Ed25519." }));
  }

  const iat = only(headers, HEADERS.iat);
  if (iat === undefined || !IAT.test(iat))
    return err(new AuthError("iat_out_of_range", { message: malformed(HEADERS.iat) }));

  const requestId = only(headers, HEADERS.requestId);
  const id = requestId === undefined ? undefined : parseRequestId(requestId);
  if (requestId === undefined || id === undefined)
    return err(new AuthError("invalid_signature", { message: malformed(HEADERS.requestId) }));

  const deadlineMs = readDeadline(headers.values(HEADERS.deadline));
  if (deadlineMs === undefined) {
    return err(
      new ValidationError([{ path: "", message: malformed(HEADERS.deadline) }], {
        message: malformed(HEADERS.deadline),
      }),
    );
  }
  return ok({ sessionKey, proof, iat: Number(iat), requestId, id, deadlineMs });
}

function only(headers: HeaderReader, name: string): string | undefined {
  const values = headers.values(name);
  return values.length === 1 ? values[0] : undefined;
}

function readDeadline(values: readonly string[]): number | undefined {
  const value = values[0];
  if (value === undefined) return LIMITS.defaultDeadlineMs;
  if (values.length !== 1 || !DEADLINE.test(value)) return undefined;
  return Math.min(Number(value), LIMITS.maxDeadlineMs);
}

function malformed(name: string): string {
  return `The header \`${name}\` is missing, repeated or not of its form.`;
}
