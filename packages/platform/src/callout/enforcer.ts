import type { Log } from "../log.ts";
import { sharedEventId } from "../notices/event-id.ts";
import type { PublishEvent } from "../notices/event-id.ts";
import type { NoticePublisher } from "../notices/notice-publisher.ts";
import type { SecurityChange, SecurityChanges } from "../notices/security-changes.ts";
import type { Admission, AdmissionResolver, Denial } from "./admission.ts";
import { describeConnection } from "./connections.ts";
import type { Connections, LiveConnection } from "./connections.ts";
import { takesAway } from "./permission-sets.ts";
import type { PermissionSets } from "./permission-sets.ts";

export interface EnforcerOptions {
  readonly connections: Connections;
  readonly changes: SecurityChanges;
  readonly resolver: AdmissionResolver;
  readonly sets: PermissionSets;
  readonly notices: Pick<NoticePublisher, "notify">;
  /** Ends one connection; `false` when it is gone already. */
  readonly kick: (connection: LiveConnection) => Promise<boolean>;
  readonly publishEvent: PublishEvent;
  readonly log: Log;
  /** How long a connection may go on without what was added; one that lost something has a second at most. */
  readonly graceMs?: number;
  /** Everything is checked this often, besides after every change. */
  readonly sweepMs?: number;
}

const GRACE_MS = 10_000;
/** For a connection that lost something. A runtime moves in a tenth of it, and whoever does not move is kicked. */
const LOSS_GRACE_MS = 1_000;
/** The callout lets in more than this; what many lose at the same time must not kick those that stand in its queue. */
const MOVES_PER_SECOND = 300;
const SWEEP_MS = 60_000;
/** Other work gets its turn after this many connections. */
const CHUNK = 100;

/** What a connection is told or done to after its rights were looked at again. */
export type Measure =
  | { readonly do: "nothing" }
  /** It should open a new connection, and is closed if it has not after a while: a short one when it lost something. */
  | { readonly do: "renew"; readonly fingerprint: string; readonly revision: number; readonly lost: boolean }
  | { readonly do: "kick"; readonly reason: string };

/** Not having this any more is not being refused: what was granted on it stays until the permissions run out. */
const GOES_ON: ReadonlySet<string> = new Set(["reconciliation_pending", "manifest_required"]);

/** What follows for a connection from what it would be given now. */
export function measureFor(connection: LiveConnection, verdict: Admission | Denial, sets: PermissionSets): Measure {
  if (!verdict.admitted) {
    if (verdict.reason === "registry_unavailable" || (verdict.waiting !== undefined && GOES_ON.has(verdict.waiting)))
      return { do: "nothing" };
    return { do: "kick", reason: verdict.reason };
  }
  const { fingerprint } = connection.name;
  if (verdict.set.fingerprint === fingerprint) return { do: "nothing" };
  // What it has may be from before this replica started; whoever took something away then has kicked it already.
  const before = sets.known(fingerprint);
  const lost = before !== undefined && takesAway(before, verdict.set);
  return { do: "renew", fingerprint: verdict.set.fingerprint, revision: verdict.grants.revision, lost };
}

/**
 * Holds live connections to what is allowed now.
 *
 * 1. A connection is looked at when it opens (what changed while it was being let in counts), when a change concerns
 *    it, and in every sweep.
 * 2. Who is not let in any more is kicked at once. Whose permissions changed is told to move to a new connection, which
 *    costs no call, and kicked when it has not in time: within a second when it lost something.
 * 3. Every replica does this for every connection: kicking twice does nothing.
 */
export class Enforcer {
  readonly #options: EnforcerOptions;
  readonly #stops: readonly (() => void)[];
  readonly #renewing = new Map<string, Renewing>();
  readonly #waiting = new Set<string>();
  readonly #sweeper: NodeJS.Timeout;
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(options: EnforcerOptions) {
    this.#options = options;
    const { connections, changes, publishEvent } = options;
    this.#stops = [
      connections.onChange({
        opened: (connection) => {
          publishEvent(
            "Auth.Connections.Opened",
            { connection: describeConnection(connection), at: new Date(connection.openedAt).toISOString() },
            {
              id: sharedEventId(connection.openedAt, `opened ${connection.id}`),
            },
          );
          this.#look([connection]);
        },
        closed: (connection, reason, at) => {
          this.#forget(connection.id);
          publishEvent(
            "Auth.Connections.Closed",
            { connection: describeConnection(connection), at: new Date(at).toISOString(), reason },
            {
              id: sharedEventId(connection.openedAt, `closed ${connection.id}`),
            },
          );
        },
      }),
      changes.onChange((change) => this.#look(this.#concerned(change))),
    ];
    this.#sweeper = setInterval(() => this.#look(connections.all()), options.sweepMs ?? SWEEP_MS);
    this.#sweeper.unref();
  }

  /** Ends the connections of a session, or one by its id; how many there were. */
  async kick(which: { readonly sessionKey: string } | { readonly id: string }, reason: string): Promise<number> {
    const { connections } = this.#options;
    const one = "id" in which ? connections.get(which.id) : undefined;
    const concerned = "sessionKey" in which ? connections.ofSession(which.sessionKey) : one ? [one] : [];
    const kicked = await Promise.all(concerned.map((connection) => this.#kick(connection, reason)));
    return kicked.filter(Boolean).length;
  }

  /** Resolves when everything that is to be looked at has been. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const stop of this.#stops) stop();
    for (const { timer } of this.#renewing.values()) clearTimeout(timer);
    this.#renewing.clear();
    await this.#working;
  }

  #concerned(change: SecurityChange): readonly LiveConnection[] {
    const { connections } = this.#options;
    const { affected } = change;
    if (affected === "everybody") return connections.all();
    return [
      ...affected.sessions.flatMap((sessionKey) => connections.ofSession(sessionKey)),
      ...[...affected.principals, ...affected.deployments].flatMap((principal) => connections.ofPrincipal(principal)),
    ];
  }

  #look(concerned: readonly LiveConnection[]): void {
    for (const { id } of concerned) {
      // Asked again after the newest change: what waits is judged later, by what is true then.
      this.#waiting.delete(id);
      this.#waiting.add(id);
    }
    if (this.#waiting.size === 0 || this.#working || this.#closed) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
      this.#look([]);
    });
  }

  async #work(): Promise<void> {
    // After the listeners of this commit: the catalogue must have heard of it too.
    await nextTurn();
    let done = 0;
    for (const id of this.#waiting) {
      this.#waiting.delete(id);
      const connection = this.#options.connections.get(id);
      if (!connection || this.#closed) continue;
      try {
        await this.#judge(connection);
      } catch (error) {
        this.#options.log.error("a connection could not be looked at again; the next sweep will", {
          connection: id,
          error: messageOf(error),
        });
      }
      done += 1;
      if (done % CHUNK === 0) await nextTurn();
    }
  }

  async #judge(connection: LiveConnection): Promise<void> {
    const { resolver, sets, notices, log } = this.#options;
    const { sessionKey, digest } = connection.name;
    const measure = measureFor(connection, await resolver.resolve({ sessionKey, contractDigest: digest }), sets);
    if (measure.do === "nothing") this.#forget(connection.id);
    // Not waited for: one server that does not answer must not keep the others connected.
    else if (measure.do === "kick") void this.#kick(connection, measure.reason);
    else if (this.#renewing.get(connection.id)?.fingerprint !== measure.fingerprint) {
      notices.notify(sessionKey, { type: "permissionsChanged", revision: measure.revision });
      if (measure.lost) {
        log.info("something was taken from a connection; it is to move to a new one", {
          connection: connection.id,
          sessionKey,
          principal: connection.name.principalName,
        });
      }
      this.#startGrace(connection, measure.fingerprint, measure.lost);
    }
  }

  /** A further change never gives longer than the one before did. */
  #startGrace(connection: LiveConnection, fingerprint: string, lost: boolean): void {
    const { graceMs = GRACE_MS } = this.#options;
    const now = performance.now();
    const turnMs = (this.#renewing.size / MOVES_PER_SECOND) * 1_000;
    const ownMs = lost ? Math.min(graceMs, LOSS_GRACE_MS + turnMs) : graceMs;
    const endsAt = Math.min(now + ownMs, this.#renewing.get(connection.id)?.endsAt ?? Number.POSITIVE_INFINITY);
    this.#forget(connection.id);
    const timer = setTimeout(() => void this.#endGrace(connection), endsAt - now);
    timer.unref();
    this.#renewing.set(connection.id, { fingerprint, endsAt, timer });
  }

  async #endGrace(connection: LiveConnection): Promise<void> {
    this.#renewing.delete(connection.id);
    const { connections, resolver, sets } = this.#options;
    if (!connections.get(connection.id) || this.#closed) return;
    const { sessionKey, digest } = connection.name;
    const measure = measureFor(connection, await resolver.resolve({ sessionKey, contractDigest: digest }), sets);
    if (measure.do === "nothing") return;
    const outdated = measure.do === "renew" && measure.lost ? "permissions_removed" : "permissions_outdated";
    await this.#kick(connection, measure.do === "kick" ? measure.reason : outdated);
  }

  async #kick(connection: LiveConnection, reason: string): Promise<boolean> {
    const { kick, log, publishEvent } = this.#options;
    try {
      if (!(await kick(connection))) return false;
    } catch (error) {
      log.warn("a connection could not be kicked; the next sweep tries again", {
        connection: connection.id,
        reason,
        error: messageOf(error),
      });
      return false;
    }
    log.info("a connection was kicked", {
      connection: connection.id,
      sessionKey: connection.name.sessionKey,
      principal: connection.name.principalName,
      reason,
    });
    publishEvent(
      "Auth.Connections.Kicked",
      { connection: describeConnection(connection), at: new Date().toISOString(), reason },
      {
        id: sharedEventId(connection.openedAt, `kicked ${connection.id}`),
      },
    );
    return true;
  }

  #forget(id: string): void {
    clearTimeout(this.#renewing.get(id)?.timer);
    this.#renewing.delete(id);
  }
}

interface Renewing {
  readonly fingerprint: string;
  /** By the monotonic clock. */
  readonly endsAt: number;
  readonly timer: NodeJS.Timeout;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
