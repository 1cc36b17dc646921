import { TrellisError } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import type { ErrorBody } from "./error-body.ts";
import { AUTH_WORDS, TRANSFER_WORDS, TRANSPORT_WORDS } from "./error-codes.ts";
import type { AuthReason, TransferCode, TransportCode } from "./error-codes.ts";

/** Who asks is not known, not trusted or not allowed; `reason` says which. */
export class AuthError extends TrellisError {
  override readonly name = "AuthError";
  readonly type = "AuthError";
  readonly reason: AuthReason;
  readonly hint: string;
  /** The id under which the side that refused logged it. */
  readonly id: string | undefined;

  constructor(reason: AuthReason, options: { readonly message?: string; readonly id?: string } = {}) {
    super(options.message ?? AUTH_WORDS[reason].message);
    this.reason = reason;
    this.hint = AUTH_WORDS[reason].hint;
    this.id = options.id;
  }

  toWire(): Json {
    return { reason: this.reason };
  }
}

/** One thing that is wrong with a value, and where (a JSON pointer). */
export interface ValidationIssue {
  readonly path: string;
  readonly message: string;
}

/** A value is not what the contract says. */
export class ValidationError extends TrellisError {
  override readonly name = "ValidationError";
  readonly type = "ValidationError";
  readonly issues: readonly ValidationIssue[];
  readonly id: string | undefined;

  constructor(issues: readonly ValidationIssue[], options: { readonly message?: string; readonly id?: string } = {}) {
    super(options.message ?? describeIssues(issues));
    this.issues = issues;
    this.id = options.id;
  }

  toWire(): Json {
    return { issues: this.issues.map(({ path, message }) => ({ path, message })) };
  }
}

function describeIssues(issues: readonly ValidationIssue[]): string {
  const [first] = issues;
  if (first === undefined) return "The value does not match the contract.";
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  const where = first.path === "" ? "The value" : first.path;
  return `The value does not match the contract. ${where}: ${first.message}${more}.`;
}

export interface TransportErrorOptions {
  readonly message?: string;
  readonly hint?: string;
  readonly retryable?: boolean;
  readonly id?: string;
  readonly cause?: unknown;
}

/** The question or its answer did not get through. */
export class TransportError extends TrellisError {
  override readonly name = "TransportError";
  readonly type = "TransportError";
  override readonly code: TransportCode;
  readonly hint: string;
  /** Whether the same question may succeed when asked again. */
  readonly retryable: boolean;
  readonly id: string | undefined;

  constructor(code: TransportCode, options: TransportErrorOptions = {}) {
    const words = TRANSPORT_WORDS[code];
    super(options.message ?? words.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? words.hint;
    this.retryable = options.retryable ?? words.retryable;
    this.id = options.id;
  }

  toWire(): Json {
    return { code: this.code, hint: this.hint, retryable: this.retryable };
  }
}

/** The bytes of a file did not arrive whole. */
export class TransferError extends TrellisError {
  override readonly name = "TransferError";
  readonly type = "TransferError";
  override readonly code: TransferCode;
  readonly hint: string;
  /** Whether the same transfer may succeed when it is opened again. */
  readonly retryable: boolean;
  readonly id: string | undefined;

  constructor(code: TransferCode, options: { readonly message?: string; readonly id?: string } = {}) {
    const words = TRANSFER_WORDS[code];
    super(options.message ?? words.message);
    this.code = code;
    this.hint = words.hint;
    this.retryable = words.retryable;
    this.id = options.id;
  }

  toWire(): Json {
    return { code: this.code };
  }
}

/** The other side failed in a way it did not foresee. It tells the id of its log entry and nothing else. */
export class UnexpectedError extends TrellisError {
  override readonly name = "UnexpectedError";
  readonly type = "UnexpectedError";
  readonly id: string;

  constructor(id: string) {
    super(unexpectedMessage(id));
    this.id = id;
  }

  toWire(): Json {
    return {};
  }
}

/** The one sentence an unexpected error carries. */
export function unexpectedMessage(id: string): string {
  return `The service failed unexpectedly. Its log has the details under ${id}.`;
}

/** An error of a type this participant does not know; everything it carried is kept. */
export class RemoteError extends TrellisError {
  override readonly name = "RemoteError";
  readonly type: string;
  declare readonly code?: string;
  readonly id: string;
  readonly body: ErrorBody;

  constructor(body: ErrorBody) {
    super(body.message);
    this.type = body.type;
    if (body.code !== undefined) this.code = body.code;
    this.id = body.id;
    this.body = body;
  }

  toWire(): Json {
    const added: { [member: string]: Json } = {};
    for (const [member, value] of Object.entries(this.body)) {
      if (value !== undefined && !(member in RESERVED)) added[member] = value;
    }
    return added;
  }
}

/** Members every error body has; an error's own members never replace them. */
const RESERVED: { readonly [member: string]: true } = { id: true, type: true, message: true };
