import { isJsonObject } from "./error-body.ts";
import { LIMITS } from "./limits.ts";

/** Fixed subjects of the TRELLIS account. */
export const TRELLIS_SUBJECTS = {
  /** Only the control plane publishes; every runtime listens. */
  authChanges: "trellis.auth.v1.changes",
} as const;

/** How the stream of auth changes proves that it is alive. */
export const AUTH_CHANGES = {
  /** Every replica of the control plane says this often that it lives. */
  beatMs: 2_000,
  /** After this long without a word a receiver asks again before it trusts what it remembers. */
  silenceMs: 6_000,
} as const;

/**
 * A change of authority, or a beat without one. `previous` is the revision of the change before: a receiver that has
 * not applied it (or a beat's `revision`) has missed something and revalidates everything it remembers.
 */
export interface AuthChange {
  readonly kind: "beat" | "change";
  /** The replica that speaks. */
  readonly origin: string;
  readonly previous: number;
  readonly revision: number;
  /** Changes when revisions start anew: nothing from before compares. */
  readonly epoch: string;
  /** Session keys. */
  readonly sessions?: readonly string[];
  readonly principals?: readonly string[];
  readonly deployments?: readonly string[];
}

/** What the control plane tells one session. */
export interface SessionNotice {
  readonly type: "permissionsChanged" | "revoked" | "goingAway";
  readonly revision: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function encodeAuthChange(change: AuthChange): Uint8Array {
  return encoder.encode(JSON.stringify(change));
}

/** Reads a change; `undefined` for anything else. A receiver treats what it cannot read as a gap. */
export function parseAuthChange(bytes: Uint8Array): AuthChange | undefined {
  const value = parseObject(bytes, MAX_CHANGE_BYTES);
  if (value === undefined) return undefined;
  const { kind, origin, previous, revision, epoch, sessions, principals, deployments } = value;
  if (kind !== "beat" && kind !== "change") return undefined;
  if (typeof origin !== "string" || typeof epoch !== "string" || !isRevision(previous) || !isRevision(revision))
    return undefined;
  if (!isTextListOrAbsent(sessions) || !isTextListOrAbsent(principals) || !isTextListOrAbsent(deployments))
    return undefined;
  return {
    kind,
    origin,
    previous,
    revision,
    epoch,
    ...(sessions === undefined ? {} : { sessions }),
    ...(principals === undefined ? {} : { principals }),
    ...(deployments === undefined ? {} : { deployments }),
  };
}

export function encodeSessionNotice(notice: SessionNotice): Uint8Array {
  return encoder.encode(JSON.stringify(notice));
}

/** Reads a notice; `undefined` for anything else. */
export function parseSessionNotice(bytes: Uint8Array): SessionNotice | undefined {
  const value = parseObject(bytes, LIMITS.controlBytes);
  if (value === undefined) return undefined;
  const { type, revision } = value;
  if (type !== "permissionsChanged" && type !== "revoked" && type !== "goingAway") return undefined;
  return isRevision(revision) ? { type, revision } : undefined;
}

/** A change may name many sessions; one that would not fit names none, and receivers revalidate all. */
const MAX_CHANGE_BYTES = 1_048_576;

function parseObject(bytes: Uint8Array, limit: number): { readonly [member: string]: unknown } | undefined {
  if (bytes.length > limit) return undefined;
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRevision(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isTextListOrAbsent(value: unknown): value is readonly string[] | undefined {
  return value === undefined || (Array.isArray(value) && value.every((entry) => typeof entry === "string"));
}
