import type { Catalog } from "../catalog/catalog.ts";
import type { Liveness } from "../catalog/liveness.ts";
import type { Registry } from "../registry/registry.ts";
import * as tables from "../tables.ts";

/** What the commands work with: one registry, its tables, the catalogue read from it, who is live, and the time. */
export interface ControlContext {
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly liveness: Liveness;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly tables: ControlTables;
  readonly limits: AuthorityLimits;
}

/** Every limit of this area with its reason. */
export interface AuthorityLimits {
  /** A plan describes the world it was made in; after a week that world is gone. */
  readonly planLifeMs: number;
  /** Proposals a deployment can have open at once: a key that presents new contracts for ever fills no registry. */
  readonly pendingPlans: number;
  /** Decided plans kept a deployment, and as many lines of history; older ones are in the audit log. */
  readonly keptPlans: number;
  /** Digests that may connect at once: the accepted one and what a rolling deploy leaves behind. */
  readonly acceptedDigests: number;
  /** Contracts that no deployment accepted are forgotten when nobody presented them for this long. */
  readonly presentedContractLifeMs: number;
}

export const AUTHORITY_LIMITS: AuthorityLimits = {
  planLifeMs: 7 * 86_400_000,
  pendingPlans: 10,
  keptPlans: 50,
  acceptedDigests: 8,
  presentedContractLifeMs: 30 * 86_400_000,
};

/** Opens every table this area reads and writes. */
export function openTables(registry: Registry) {
  return {
    deployments: registry.table(tables.DEPLOYMENTS),
    instances: registry.table(tables.INSTANCES),
    contracts: registry.table(tables.CONTRACTS),
    plans: registry.table(tables.PLANS),
    authorities: registry.table(tables.AUTHORITIES),
    users: registry.table(tables.USERS),
    userKeys: registry.table(tables.USER_KEYS),
    groups: registry.table(tables.GROUPS),
    schedules: registry.table(tables.SCHEDULES),
    revocations: registry.table(tables.REVOCATIONS),
    purges: registry.table(tables.PURGES),
    outbox: registry.table(tables.AUDIT_OUTBOX),
  };
}

export type ControlTables = ReturnType<typeof openTables>;

/** Puts the parts together; everything but registry and catalogue has a default. */
export function createContext(options: {
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly liveness: Liveness;
  readonly now?: () => number;
  readonly limits?: Partial<AuthorityLimits>;
}): ControlContext {
  const { registry, catalog, liveness, now = Date.now, limits } = options;
  return { registry, catalog, liveness, now, tables: openTables(registry), limits: { ...AUTHORITY_LIMITS, ...limits } };
}
