/**
 * When to move to a new connection: at 80 % of the life of the present permissions at the latest, spread over the
 * tenth before so that participants started together do not renew together.
 */
const LATEST_PART = 0.8;
const SPREAD = 0.1;
/** A move on a machine under load takes its time: this much is left for it, as far as half of a short life allows. */
const MOVE_MS = 1_000;
const EARLIEST_PART = 0.5;
/** setTimeout cannot wait longer. */
const LONGEST_TIMER_MS = 2_147_483_647;

export function renewAfterMs(permissionsTtlMs: number, random: () => number = Math.random): number {
  const latest = Math.min(permissionsTtlMs * LATEST_PART, permissionsTtlMs - MOVE_MS);
  const spread = permissionsTtlMs * SPREAD * random();
  return Math.min(LONGEST_TIMER_MS, Math.max(permissionsTtlMs * EARLIEST_PART, latest) - spread);
}

/** Runs `renew` once, when the permissions that began at `bornAt` come to their renewal. */
export class RenewalTimer {
  readonly #renew: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(renew: () => void) {
    this.#renew = renew;
  }

  start(permissionsTtlMs: number | undefined, bornAt: number): void {
    this.stop();
    if (permissionsTtlMs === undefined) return;
    const age = performance.now() - bornAt;
    this.#timer = setTimeout(this.#renew, Math.max(0, renewAfterMs(permissionsTtlMs) - age));
  }

  stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
