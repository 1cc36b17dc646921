/**
 * The life of a job as a pure function of its records (protocol §8).
 *
 * 1. Every record names its event; the records of one job are in the order of their sequences.
 * 2. A life ends with exactly one terminal record. `retried` begins the next one, from `failed` or `dead` alone.
 * 3. `started` is a claim, not only a beginning: whoever writes a terminal, from outside too, claims first.
 */

export const JOB_STATES = [
  "pending",
  "active",
  "retry",
  "completed",
  "failed",
  "cancelled",
  "expired",
  "dead",
  "dismissed",
] as const;
export type JobState = (typeof JOB_STATES)[number];

export const JOB_EVENTS = [
  "created",
  "started",
  "progress",
  "logged",
  "retry",
  "completed",
  "failed",
  "cancelled",
  "expired",
  "retried",
  "dead",
  "dismissed",
] as const;
export type JobEvent = (typeof JOB_EVENTS)[number];

/** What a claim is made for when no worker makes it. */
export const OUTSIDE_CLAIMS = ["cancel", "expire", "retry", "replay", "dismiss"] as const;
export type OutsideClaim = (typeof OUTSIDE_CLAIMS)[number];

/** Or to hand out the jobs of a pack one by one. */
export type ClaimPurpose = OutsideClaim | "split";

const OPEN: readonly JobState[] = ["pending", "active", "retry"];

/** From which states an event is legal, and the state after it. `undefined` is "no such job yet". */
const TRANSITIONS: {
  readonly [E in JobEvent]: { readonly from: readonly (JobState | undefined)[]; readonly to: JobState | "same" };
} = {
  created: { from: [undefined], to: "pending" },
  started: { from: OPEN, to: "active" },
  progress: { from: ["active"], to: "same" },
  logged: { from: ["active"], to: "same" },
  retry: { from: ["active"], to: "retry" },
  completed: { from: ["active"], to: "completed" },
  failed: { from: ["active"], to: "failed" },
  cancelled: { from: OPEN, to: "cancelled" },
  expired: { from: OPEN, to: "expired" },
  retried: { from: ["failed", "dead"], to: "pending" },
  dead: { from: ["active"], to: "dead" },
  dismissed: { from: ["dead"], to: "dismissed" },
};

/** What somebody outside may do to a job, from which states, and the record that does it. */
export const OUTSIDE_ACTIONS: {
  readonly [A in OutsideClaim]: { readonly from: readonly JobState[]; readonly event: JobEvent };
} = {
  cancel: { from: OPEN, event: "cancelled" },
  expire: { from: OPEN, event: "expired" },
  retry: { from: ["failed"], event: "retried" },
  replay: { from: ["dead"], event: "retried" },
  dismiss: { from: ["dead"], event: "dismissed" },
};

/** The state after a record, or `undefined` when the record is not legal there and changes nothing. */
export function nextState(
  state: JobState | undefined,
  event: JobEvent,
  claimedFor?: ClaimPurpose,
): JobState | undefined {
  // A claim from outside prepares the record that follows it.
  if (event === "started" && claimedFor !== undefined) return state;
  const { from, to } = TRANSITIONS[event];
  if (!from.includes(state)) return undefined;
  return to === "same" ? state : to;
}

/** Whether nothing but a retry, replay or dismissal follows this state. */
export function isTerminal(state: JobState): boolean {
  return !OPEN.includes(state);
}

/** Whether a record with this event ends a life. */
export function endsLife(event: JobEvent): boolean {
  const { to } = TRANSITIONS[event];
  return to !== "same" && isTerminal(to);
}

/**
 * The state a job is in when this is its last record; `undefined` after a claim from outside, which says nothing.
 */
export function stateAfterLast(event: JobEvent, claimedFor?: ClaimPurpose): JobState | undefined {
  if (event === "started" && claimedFor !== undefined) return undefined;
  const { to } = TRANSITIONS[event];
  return to === "same" ? "active" : to;
}
