import type { OpenRegistry } from "../registry/open.ts";
import type { RecordChange, Revision } from "../registry/registry.ts";
import { AUTHORITIES, DEPLOYMENTS, GROUPS, INSTANCES, REVOCATIONS, USER_KEYS, USERS } from "../tables.ts";
import type { Authority } from "../tables.ts";

/** Tables whose records decide what a session may do. */
export const SECURITY_TABLES: ReadonlySet<string> = new Set(
  [DEPLOYMENTS, INSTANCES, AUTHORITIES, USERS, USER_KEYS, GROUPS, REVOCATIONS].map(({ name }) => name),
);

/** One link of the chain of security-relevant commits. */
export interface SecurityChange {
  /** The one before; every replica reads the same order, so every replica makes the same chain. */
  readonly previous: Revision;
  readonly revision: Revision;
  readonly epoch: string;
  /** Whom it concerns; everybody when it cannot be told. */
  readonly affected: Affected | "everybody";
  readonly revoked: readonly string[];
}

export interface Affected {
  readonly sessions: readonly string[];
  readonly principals: readonly string[];
  readonly deployments: readonly string[];
}

/**
 * Turns commits of the registry into the chain of security changes.
 *
 * 1. The chain is made of every commit that touches a security table, in the registry's order.
 * 2. Listing too many as affected costs questions, listing too few would let revoked facts live: when in doubt, everybody.
 */
export class SecurityChanges {
  readonly #registry: OpenRegistry;
  readonly #onListenerError: (error: unknown) => void;
  readonly #listeners = new Set<(change: SecurityChange) => void>();
  readonly #stop: () => void;
  /** What a deployment offered when last seen: only a change of it concerns callers of other deployments. */
  readonly #offers = new Map<string, string>();
  readonly #keyOwners = new Map<string, string>();
  #revision: Revision;
  #epoch: string;

  constructor(registry: OpenRegistry, onListenerError: (error: unknown) => void = () => undefined) {
    this.#registry = registry;
    this.#onListenerError = onListenerError;
    this.#revision = registry.newestIn(SECURITY_TABLES);
    this.#epoch = registry.epoch;
    for (const { id, value } of registry.table(AUTHORITIES).all()) this.#offers.set(id, this.#offerOf(value));
    for (const { id, value } of registry.table(USER_KEYS).all()) this.#keyOwners.set(id, value.userId);
    this.#stop = registry.onChange((changes) => this.#take(changes));
  }

  /** Revision of the newest security change. */
  get revision(): Revision {
    this.#followEpoch();
    return this.#revision;
  }

  get epoch(): string {
    return this.#registry.epoch;
  }

  onChange(listener: (change: SecurityChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#stop();
    this.#listeners.clear();
  }

  #take(changes: readonly RecordChange[]): void {
    const relevant = changes.filter(({ table }) => SECURITY_TABLES.has(table));
    const newest = Math.max(0, ...relevant.map(({ revision }) => revision));
    if (newest === 0) return;
    const rebuilt = this.#registry.epoch !== this.#epoch;
    this.#epoch = this.#registry.epoch;
    const previous = rebuilt ? 0 : this.#revision;
    this.#revision = newest;
    const affected = this.#affectedBy(relevant);
    const change: SecurityChange = {
      previous,
      revision: newest,
      epoch: this.#epoch,
      affected: rebuilt ? "everybody" : affected,
      revoked: relevant.filter(({ table, deleted }) => table === REVOCATIONS.name && !deleted).map(({ id }) => id),
    };
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        // One that fails must not keep the others from hearing of a revocation.
        this.#onListenerError(error);
      }
    }
  }

  /** A registry that was rebuilt counts anew, also when nothing in it concerned us. */
  #followEpoch(): void {
    if (this.#registry.epoch === this.#epoch) return;
    this.#epoch = this.#registry.epoch;
    this.#revision = this.#registry.newestIn(SECURITY_TABLES);
  }

  #affectedBy(changes: readonly RecordChange[]): Affected | "everybody" {
    const sessions = new Set<string>();
    const principals = new Set<string>();
    const deployments = new Set<string>();
    let everybody = false;
    for (const { table, id } of changes) {
      switch (table) {
        case INSTANCES.name:
          sessions.add(id);
          break;
        case REVOCATIONS.name: {
          // A revoked user key takes the sessions it vouched for along.
          sessions.add(id);
          const owner = this.#keyOwners.get(id);
          if (owner !== undefined) principals.add(owner);
          break;
        }
        case USERS.name:
          principals.add(id);
          break;
        case USER_KEYS.name: {
          const owner = this.#registry.table(USER_KEYS).get(id)?.value.userId;
          const before = this.#keyOwners.get(id);
          if (owner !== undefined) this.#keyOwners.set(id, owner);
          for (const user of [owner, before]) if (user !== undefined) principals.add(user);
          break;
        }
        case AUTHORITIES.name: {
          deployments.add(id);
          const authority = this.#registry.table(AUTHORITIES).get(id)?.value;
          const offer = authority ? this.#offerOf(authority) : "";
          if ((this.#offers.get(id) ?? "") !== offer) everybody = true;
          this.#offers.set(id, offer);
          break;
        }
        default:
          // Enabling a deployment or changing a group changes what others hold.
          everybody = true;
      }
    }
    return everybody
      ? "everybody"
      : { sessions: [...sessions], principals: [...principals], deployments: [...deployments] };
  }

  #offerOf(authority: Authority): string {
    return authority.materialized ? `${authority.materialized.contractId} ${authority.materialized.digest}` : "";
  }
}
