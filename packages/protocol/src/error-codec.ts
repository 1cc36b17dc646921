import { TrellisError } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import { isErrorBody, isJsonObject } from "./error-body.ts";
import type { ErrorBody } from "./error-body.ts";
import { isAuthReason, isTransferCode, isTransportCode } from "./error-codes.ts";
import {
  AuthError,
  RemoteError,
  TransferError,
  TransportError,
  UnexpectedError,
  unexpectedMessage,
  ValidationError,
} from "./errors.ts";
import type { ValidationIssue } from "./errors.ts";
import { LIMITS } from "./limits.ts";

/**
 * The one place where errors become bytes and bytes become errors.
 * 1. Only errors of our own hierarchy cross; anything else becomes an id to find in the log.
 * 2. Whatever arrives becomes some error: a peer cannot make reading its error fail.
 */

/** How a known error type is rebuilt from its body; `undefined` when the body is not one of its own. */
export interface ErrorRebuilder {
  fromWire(body: ErrorBody): TrellisError | undefined;
}

/** Known error types by their `type`, beside the built-in ones. */
export interface KnownErrors {
  readonly [type: string]: ErrorRebuilder;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
/** Errors that came from a peer: what they say is about this participant's own question, not its caller's. */
const received = new WeakSet<TrellisError>();

/** The bytes of an error. `id` is what the log entry is filed under; of an unknown error it is all that crosses. */
export function encodeError(error: unknown, id: string): Uint8Array {
  return encoder.encode(JSON.stringify(errorBody(error, id)));
}

/** The body of an error, for messages that carry more than the error. */
export function errorBody(error: unknown, id: string): ErrorBody {
  if (!(error instanceof TrellisError) || error instanceof UnexpectedError) return unexpected(id);
  try {
    const code = error.code === undefined ? {} : { code: error.code };
    const base = { id, type: error.type, message: error.message };
    const own = error instanceof ValidationError ? { issues: issuesThatFit(error.issues) } : error.toWire();
    const body = { ...code, ...(isJsonObject(own) ? own : {}), ...base };
    if (encoder.encode(JSON.stringify(body)).length <= LIMITS.errorBytes) return body;
    return { ...code, ...base, message: error.message.slice(0, 1_000), truncated: true };
  } catch {
    // A declared error whose members are not JSON is a bug of the service; its caller learns the id.
    return unexpected(id);
  }
}

/**
 * The body of what a handler threw. Its caller gets the errors the contract declares, and refusals the handler made
 * itself. An error a peer gave the handler is about another question: passing it on would, for one, tell the caller
 * that the caller's session had expired.
 */
export function encodeHandlerError(error: unknown, id: string, declared: ReadonlySet<string>): Uint8Array {
  return encoder.encode(JSON.stringify(handlerErrorBody(error, id, declared)));
}

/** As `encodeHandlerError`, for messages that carry more than the error. */
export function handlerErrorBody(error: unknown, id: string, declared: ReadonlySet<string>): ErrorBody {
  return isForCaller(error, declared) ? errorBody(error, id) : unexpected(id);
}

/** Whether a handler's error may be told to its caller; otherwise it belongs in the log. */
export function isForCaller(error: unknown, declared: ReadonlySet<string>): error is TrellisError {
  if (!(error instanceof TrellisError) || error instanceof UnexpectedError) return false;
  if (declared.has(error.type)) return true;
  if (received.has(error)) return false;
  if (error instanceof AuthError) return error.reason === "insufficient_permissions";
  if (error instanceof TransportError) return error.code === "retry_later" || error.code === "overloaded";
  return error instanceof ValidationError || error instanceof TransferError;
}

/** Rebuilds an error from its body: a known class, a built-in one, or `RemoteError` with all it carried. */
export function decodeError(bytes: Uint8Array, known: KnownErrors = {}): TrellisError {
  const body = parseBody(bytes);
  if (body !== undefined) return decodeErrorBody(body, known);
  const error = unreadable();
  received.add(error);
  return error;
}

/** Rebuilds an error from a body that was part of a larger message, a stream's `error` frame for one. */
export function decodeErrorBody(body: ErrorBody, known: KnownErrors = {}): TrellisError {
  const error = rebuild(body, known);
  received.add(error);
  return error;
}

function rebuild(body: ErrorBody, known: KnownErrors): TrellisError {
  const { id, message } = body;
  switch (body.type) {
    case "AuthError":
      return isAuthReason(body["reason"]) ? new AuthError(body["reason"], { message, id }) : new RemoteError(body);
    case "ValidationError": {
      const issues = readIssues(body["issues"]);
      return issues === undefined ? new RemoteError(body) : new ValidationError(issues, { message, id });
    }
    case "TransportError":
      return rebuildTransport(body);
    case "TransferError":
      return isTransferCode(body.code) ? new TransferError(body.code, { message, id }) : new RemoteError(body);
    case "UnexpectedError":
      return new UnexpectedError(id);
    default:
      return rebuildKnown(body, known) ?? new RemoteError(body);
  }
}

function rebuildTransport(body: ErrorBody): TrellisError {
  if (!isTransportCode(body.code)) return new RemoteError(body);
  const { hint, retryable } = body;
  return new TransportError(body.code, {
    message: body.message,
    id: body.id,
    ...(typeof hint === "string" ? { hint } : {}),
    ...(typeof retryable === "boolean" ? { retryable } : {}),
  });
}

function rebuildKnown(body: ErrorBody, known: KnownErrors): TrellisError | undefined {
  const rebuilder = Object.hasOwn(known, body.type) ? known[body.type] : undefined;
  try {
    return rebuilder?.fromWire(body);
  } catch {
    return undefined;
  }
}

function readIssues(value: Json | undefined): readonly ValidationIssue[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const issues: ValidationIssue[] = [];
  for (const entry of value.slice(0, LIMITS.validationIssues)) {
    if (!isJsonObject(entry)) return undefined;
    const { path, message } = entry;
    if (typeof path !== "string" || typeof message !== "string") return undefined;
    issues.push({ path, message });
  }
  return issues;
}

function issuesThatFit(issues: readonly ValidationIssue[]): Json {
  return issues.slice(0, LIMITS.validationIssues).map(({ path, message }) => ({
    path: path.slice(0, 200),
    message: message.slice(0, 300),
  }));
}

function parseBody(bytes: Uint8Array): ErrorBody | undefined {
  if (bytes.length > LIMITS.errorBytes) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
  return isErrorBody(value) ? value : undefined;
}

function unreadable(): TransportError {
  return new TransportError("invalid_reply", {
    message: "The other side answered with an error, but its description could not be read.",
  });
}

function unexpected(id: string): ErrorBody {
  return { id, type: "UnexpectedError", message: unexpectedMessage(id) };
}
