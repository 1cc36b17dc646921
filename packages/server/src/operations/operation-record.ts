import type { Json } from "@trellis/contracts";
import { isOperationId, isOperationSnapshot } from "@trellis/protocol";
import type { OperationSnapshot, TransferGrant } from "@trellis/protocol";
import type { Caller } from "../authority.ts";

/** What an operation began with; whoever takes it over finds it in the first record of the journal. */
export interface OperationOrigin {
  readonly input: Json;
  /** The principal it belongs to, whatever session started it. */
  readonly owner: string;
  readonly caller: Caller;
  /** Of the contract it was started under. */
  readonly digest: string;
  /** How long what became of it is kept after its end. */
  readonly retentionMs: number;
  readonly key?: string;
  /** The right to upload its file, which its owner has. */
  readonly transfer?: TransferGrant;
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** Somebody should run an operation. The first item of each carries it: it is the record that it was accepted. */
export interface OperationItem {
  readonly id: string;
  readonly accepted?: { readonly origin: OperationOrigin; readonly snapshot: OperationSnapshot };
}

/**
 * What the records of a journal are called.
 * - `claimed`: a replica runs it from here on; its sequence is the fence.
 * - `step`, `slept`, `checkpoint`, `progress`, `signal`, `cancelling`, `attached`: what the owner keeps of the run.
 * - `transferred`: its file is stored; what is known of the file.
 * - `parked`: nobody runs it until it is woken. `attempt-failed`: until its pause is over. `waiting`: until a replica fits.
 * - `completed`, `failed`, `cancelled`: the end. It replaces everything before it.
 * - `retried`: an operator lets one that has failed begin again.
 */
export const RECORD_KINDS = [
  "claimed",
  "step",
  "slept",
  "checkpoint",
  "progress",
  "signal",
  "cancelling",
  "attached",
  "transferred",
  "parked",
  "attempt-failed",
  "waiting",
  "completed",
  "failed",
  "cancelled",
  "retried",
] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** One line of the history that the end of an operation keeps. */
export interface HistoryEntry {
  readonly kind: RecordKind;
  readonly at: number;
  readonly attempt: number;
  readonly name?: string;
  readonly message?: string;
}

export interface OperationRecord {
  readonly kind: RecordKind;
  /** Who wrote it: a random text that is new with each claim. */
  readonly claim: string;
  /** The principal the operation belongs to. */
  readonly owner: string;
  /** Where the operation stands with this record. */
  readonly snapshot: OperationSnapshot;
  /** On the first record, and on each that replaces those before it. */
  readonly origin?: OperationOrigin;
  /** claimed: the replica. step, signal: what it is called. attached: the job. transferred: the file. */
  readonly name?: string;
  /** step: its result. checkpoint: its value. signal: its input. transferred: the file. */
  readonly value?: Json;
  /** signal, cancelling: the place in the inbox it was copied from. retried: who wanted to cancel before it has had that. */
  readonly inbox?: number;
  /** parked, slept, attempt-failed: until when. */
  readonly until?: number;
  /** attempt-failed: the replica had to stop; this attempt does not count. */
  readonly givenBack?: true;
  /** attempt-failed: why; never a stack. cancelled, cancelling: the reason given. */
  readonly message?: string;
  /** The end: what has happened, without the values. */
  readonly history?: readonly HistoryEntry[];
}

/** A record with its place in the stream. */
export interface StoredRecord {
  readonly sequence: number;
  /** When the stream took it, in milliseconds. */
  readonly at: number;
  readonly record: OperationRecord;
}

/** A signal, or the wish to cancel, on its way to whoever runs the operation. */
export type InboxMessage =
  | { readonly kind: "signal"; readonly name: string; readonly input: Json }
  | { readonly kind: "cancel"; readonly reason?: string };

export function readRecord(data: Uint8Array): OperationRecord | undefined {
  const value = readJson(data);
  return isRecordBody(value) ? value : undefined;
}

export function readItem(data: Uint8Array): OperationItem | undefined {
  const value = readJson(data);
  return isItem(value) ? value : undefined;
}

export function readInboxMessage(data: Uint8Array): InboxMessage | undefined {
  const value = readJson(data);
  return isInboxMessage(value) ? value : undefined;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function readJson(data: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(data));
  } catch {
    return undefined;
  }
}

/** Only replicas of the deployment and the control plane write here: enough is checked for the code to be safe. */
function isRecordBody(value: unknown): value is OperationRecord {
  return (
    isObject(value) &&
    RECORD_KINDS.some((kind) => kind === value["kind"]) &&
    typeof value["claim"] === "string" &&
    typeof value["owner"] === "string" &&
    isOperationSnapshot(value["snapshot"])
  );
}

function isItem(value: unknown): value is OperationItem {
  if (!isObject(value) || typeof value["id"] !== "string" || !isOperationId(value["id"])) return false;
  const { accepted } = value;
  return (
    accepted === undefined ||
    (isObject(accepted) && isOperationSnapshot(accepted["snapshot"]) && isObject(accepted["origin"]))
  );
}

function isInboxMessage(value: unknown): value is InboxMessage {
  return (
    isObject(value) && ((value["kind"] === "signal" && typeof value["name"] === "string") || value["kind"] === "cancel")
  );
}

function isObject(value: unknown): value is { readonly [member: string]: unknown } {
  return typeof value === "object" && value !== null;
}
