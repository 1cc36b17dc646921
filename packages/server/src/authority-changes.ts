import type { AuthChange } from "@trellis/protocol";

/** Facts about one session that a notice may concern. */
export interface Affected {
  readonly sessionKey: string;
  readonly principal: string | undefined;
  readonly deployment: string | undefined;
  /** Registry revision the facts were made from. */
  readonly revision: number;
}

/** Changes remembered to judge late answers by; older answers are simply not believed. */
const REMEMBERED = 512;

/**
 * Follows the notices and answers one question: can facts of this revision still be believed?
 *
 * 1. A change concerns the sessions, principals and deployments it lists, or everybody when it lists none.
 * 2. A notice that names an earlier change we never saw leaves a gap: nothing older than that is believed.
 * 3. A new epoch (the registry was rebuilt) ends all belief in revisions of the old one.
 */
export class AuthorityChanges {
  #epoch: string | undefined;
  #seen = -1;
  #doubtBelow = 0;
  #recent: AuthChange[] = [];
  #heardAt = Number.NEGATIVE_INFINITY;

  /** When the control plane was last heard (`performance.now()`). */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Takes one notice in; tells whether something before it was missed, or the registry is another one. */
  apply(notice: AuthChange, now: number): "followed" | "gap" | "epoch" {
    this.#heardAt = now;
    if (this.#epoch !== notice.epoch) {
      const first = this.#epoch === undefined;
      this.#epoch = notice.epoch;
      this.#seen = notice.revision;
      this.#recent = notice.kind === "change" ? [notice] : [];
      this.#doubtBelow = notice.kind === "change" ? notice.previous : notice.revision;
      return first ? "gap" : "epoch";
    }
    const reached = notice.kind === "change" ? notice.previous : notice.revision;
    const gap = reached > this.#seen;
    if (gap) this.#doubtBelow = Math.max(this.#doubtBelow, reached);
    if (notice.revision > this.#seen) this.#seen = notice.revision;
    if (notice.kind === "change") this.#remember(notice);
    return gap ? "gap" : "followed";
  }

  /** Whether a change before this revision was missed, so that nothing older can be trusted without asking. */
  doubts(revision: number): boolean {
    return revision < this.#doubtBelow;
  }

  /** Whether an answer is older than a change that concerns it, or than one we missed. */
  outdated(facts: Affected): boolean {
    if (this.doubts(facts.revision)) return true;
    for (let at = this.#recent.length - 1; at >= 0; at -= 1) {
      const notice = this.#recent[at];
      if (notice !== undefined && notice.revision > facts.revision && concerns(notice, facts)) return true;
    }
    return false;
  }

  #remember(notice: AuthChange): void {
    this.#recent.push(notice);
    if (this.#recent.length <= REMEMBERED) return;
    const forgotten = this.#recent.shift();
    if (forgotten !== undefined) this.#doubtBelow = Math.max(this.#doubtBelow, forgotten.revision);
  }
}

/** Whether a notice is about the session these facts describe. */
export function concerns(notice: AuthChange, facts: Affected): boolean {
  if (notice.kind === "beat") return false;
  const { sessions, principals, deployments } = notice;
  if (sessions === undefined && principals === undefined && deployments === undefined) return true;
  return (
    sessions?.includes(facts.sessionKey) === true ||
    (facts.principal !== undefined && principals?.includes(facts.principal) === true) ||
    (facts.deployment !== undefined && deployments?.includes(facts.deployment) === true)
  );
}
