import type { Json } from "@trellis/contracts";
import { isJsonObject } from "./error-body.ts";
import type { ErrorBody } from "./error-body.ts";
import type { TransferGrant } from "./transfer-grant.ts";

/** What travels about operations: where one stands, what happens to it, and how asking about it may fail. */

export const OPERATION_STATES = ["pending", "running", "completed", "failed", "cancelled"] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

/** Whether nothing follows. */
export function isOver(state: OperationState): boolean {
  return state === "completed" || state === "failed" || state === "cancelled";
}

/** Why an operation that is not over is not being run at the moment. */
export interface OperationPause {
  /**
   * `time`: it sleeps; `signal`: it waits for one; `outside`: its handler has deferred it; `retry`: an attempt has failed;
   * `replica`: no replica that serves now can go on with it; `upload`: its file has not come yet.
   */
  readonly for: "time" | "signal" | "outside" | "retry" | "replica" | "upload";
  /** It goes on by itself then. */
  readonly until?: number;
  readonly reason?: string;
}

/** Where an operation stands. Times are milliseconds. */
export interface OperationSnapshot {
  readonly id: string;
  /** The logical name. */
  readonly operation: string;
  /** The deployment that runs it. */
  readonly service: string;
  readonly state: OperationState;
  /** Grows with everything that happens to the operation. */
  readonly revision: number;
  /** Which attempt runs or ran; 0 before the first. */
  readonly attempt: number;
  readonly acceptedAt: number;
  readonly updatedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly deadlineAt?: number;
  readonly progress?: Json;
  readonly output?: Json;
  readonly error?: ErrorBody;
  readonly pause?: OperationPause;
  /** Somebody wants it cancelled and its handler has been told. */
  readonly cancelRequested?: true;
}

/** What happens to an operation, each time with where it stands afterwards. */
export const OPERATION_EVENTS = [
  "accepted",
  "started",
  "transfer",
  "progress",
  "step",
  "signal",
  "waiting",
  "completed",
  "failed",
  "cancelled",
] as const;
export type OperationEventType = (typeof OPERATION_EVENTS)[number];

export interface OperationEvent {
  readonly type: OperationEventType;
  /** The name of the step or signal. */
  readonly name?: string;
  readonly snapshot: OperationSnapshot;
}

/** The frames of a watch. Events may be skipped for a reader that is far behind; the newest snapshot always comes. */
export type OperationFrame =
  | { readonly type: "snapshot"; readonly snapshot: OperationSnapshot }
  | { readonly type: "event"; readonly sequence: number; readonly event: OperationEvent };

/** The body of a start. */
export interface OperationStart {
  readonly input: Json;
  /** Of all starts of one principal with one key there is one operation. */
  readonly key?: string;
  /** The same for the tries of one start; a random text. */
  readonly token?: string;
  /** From being accepted to its end. */
  readonly deadlineMs?: number;
}

export interface OperationAccepted {
  readonly kind: "accepted";
  readonly ref: { readonly id: string; readonly service: string; readonly operation: string };
  /** False when the key had started it before. */
  readonly created: boolean;
  readonly snapshot: OperationSnapshot;
  /** Of an operation that takes a file: the right to upload it. */
  readonly transfer?: TransferGrant;
}

/** The body of a control action. */
export interface OperationControl {
  readonly operationId: string;
  /** `false` leaves the progress out. */
  readonly includeProgress?: boolean;
  readonly signal?: string;
  readonly input?: Json;
  /** The same for the tries of one signal; a random text. */
  readonly token?: string;
  readonly reason?: string;
}

export interface OperationSignalAccepted {
  readonly kind: "signal-accepted";
  readonly operationId: string;
  readonly signal: string;
  readonly signalSequence: number;
  readonly acceptedAt: number;
  readonly snapshot: OperationSnapshot;
}

const OPERATION_ID = /^([a-z][a-z0-9-]{0,47})_[A-Za-z0-9_-]{1,64}$/;

/** What may stand for an operation in a subject: `<deployment>_<token>`, and a deployment's name holds no `_`. */
export function isOperationId(text: string): boolean {
  return OPERATION_ID.test(text);
}

/** The deployment that has the operation of this id, which is where it is asked about; `undefined` when it is no such id. */
export function deploymentOfOperation(id: string): string | undefined {
  return OPERATION_ID.exec(id)?.[1];
}

export function isOperationSnapshot(value: unknown): value is OperationSnapshot {
  if (!isJsonObject(value)) return false;
  const { id, operation, service, state, revision, attempt, acceptedAt, updatedAt } = value;
  return (
    typeof id === "string" &&
    isOperationId(id) &&
    [operation, service].every((text) => typeof text === "string") &&
    OPERATION_STATES.some((each) => each === state) &&
    [revision, attempt, acceptedAt, updatedAt].every((count) => typeof count === "number")
  );
}

export function isOperationFrame(value: unknown): value is OperationFrame {
  if (!isJsonObject(value)) return false;
  const { type, snapshot, sequence, event } = value;
  if (type === "snapshot") return isOperationSnapshot(snapshot);
  if (type !== "event" || typeof sequence !== "number" || !isJsonObject(event)) return false;
  return typeof event["type"] === "string" && isOperationSnapshot(event["snapshot"]);
}
