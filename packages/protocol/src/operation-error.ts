import { TrellisError } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import type { ErrorBody } from "./error-body.ts";

/** Why something about an operation did not work. */
export const OPERATION_REASONS = [
  "not_found",
  "over",
  "cancelled",
  "deadline_exceeded",
  "attempts_exhausted",
  "output_too_large",
  "not_deferred",
] as const;
export type OperationReason = (typeof OPERATION_REASONS)[number];

const WORDS: { readonly [R in OperationReason]: string } = {
  not_found:
    "There is no such operation of yours: it was never started, somebody else started it, or its time to be kept is over.",
  over: "The operation is over.",
  cancelled: "The operation was cancelled.",
  deadline_exceeded: "The deadline of the operation passed before it was finished.",
  attempts_exhausted:
    "The operation was tried as often as its contract allows, and the process that ran it ended each time.",
  output_too_large: "The result of the operation is larger than one message may be.",
  not_deferred: "The operation was not deferred by its handler, so nobody but the handler ends it.",
};

/** An operation cannot be found, or has not ended well, or cannot be changed any more. */
export class OperationError extends TrellisError {
  override readonly name = "OperationError";
  readonly type = "OperationError";
  readonly reason: OperationReason;
  readonly operationId: string;

  constructor(reason: OperationReason, operationId: string, message: string = WORDS[reason]) {
    super(message);
    this.reason = reason;
    this.operationId = operationId;
  }

  static fromWire(body: ErrorBody): OperationError | undefined {
    const { reason, operationId } = body;
    const known = OPERATION_REASONS.find((each) => each === reason);
    if (known === undefined || typeof operationId !== "string") return undefined;
    return new OperationError(known, operationId, body.message);
  }

  toWire(): Json {
    return { reason: this.reason, operationId: this.operationId };
  }
}
