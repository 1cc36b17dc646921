import { type Bindings, type Json, type Manifest, MANIFEST_FORMAT } from "@trellis/contracts";
import { type Static, type TSchema, Type } from "typebox";
import { Compile } from "typebox/compile";
import type { PlanView } from "./authority/plan-view.ts";
import type { TableDefinition } from "./registry/registry.ts";

/**
 * Every table of the registry and the shape of its records. Times are milliseconds since the epoch. Sessions and
 * connections are not here: they change too often for the registry and live in buckets of their own.
 */

/** Who did something: shown in history and audit. `system` acts by rule (a mutable-dev deployment, the reconciler). */
const Actor = Type.Object({
  type: Type.Union([Type.Literal("service"), Type.Literal("user"), Type.Literal("device"), Type.Literal("system")]),
  id: Type.String(),
  name: Type.String(),
});
export type Actor = Static<typeof Actor>;

/** The control plane acting by rule rather than on somebody's word. */
export const SYSTEM: Actor = { type: "system", id: "trellis", name: "trellis" };

const DeploymentMode = Type.Union([Type.Literal("strict"), Type.Literal("mutable-dev")]);
export type DeploymentMode = Static<typeof DeploymentMode>;

/** A service somebody runs, under the name a person gave it. Id: the name. */
const Deployment = Type.Object({
  name: Type.String(),
  mode: DeploymentMode,
  enabled: Type.Boolean(),
  /** Contract name without version: fixed by the first accepted plan, so the data keeps one owner. */
  lineage: Type.Optional(Type.String()),
  createdAt: Type.Number(),
  createdBy: Actor,
});
export type Deployment = Static<typeof Deployment>;

/** One key a replica of a deployment runs with. Id: the session key. */
const Instance = Type.Object({
  sessionKey: Type.String(),
  deployment: Type.String(),
  label: Type.Optional(Type.String()),
  enabled: Type.Boolean(),
  createdAt: Type.Number(),
  createdBy: Actor,
});
export type Instance = Static<typeof Instance>;

// Manifests were parsed and normalized before they were stored; checking them whole again would make a start slow.
const StoredManifest = Type.Unsafe<Manifest>(
  Type.Object({ format: Type.Literal(MANIFEST_FORMAT), id: Type.String(), kind: Type.String() }),
);

/**
 * A contract somebody presented. Known is not accepted: nothing is granted by being here, and what nobody accepts is
 * forgotten some time after it was presented last. Id: the digest.
 */
const KnownContract = Type.Object({
  digest: Type.String(),
  contractId: Type.String(),
  manifest: StoredManifest,
  firstSeenAt: Type.Number(),
  presentedBy: Actor,
  /** When it was presented again, from time to time; absent while it never was. */
  presentedAt: Type.Optional(Type.Number()),
  /** Accepted by a deployment once: stays. */
  kept: Type.Optional(Type.Boolean()),
});
export type KnownContract = Static<typeof KnownContract>;

const PlanState = Type.Union([
  Type.Literal("pending"),
  Type.Literal("accepted"),
  Type.Literal("rejected"),
  Type.Literal("expired"),
  Type.Literal("superseded"),
]);
export type PlanState = Static<typeof PlanState>;

const PlanKind = Type.Union([Type.Literal("update"), Type.Literal("migration")]);
export type PlanKind = Static<typeof PlanKind>;

/**
 * A proposal to change what a deployment may do. While pending its view is computed from the world as it is; the view
 * somebody decided on is kept with the decision. Id: ULID.
 */
const Plan = Type.Object({
  id: Type.String(),
  deployment: Type.String(),
  contractId: Type.String(),
  digest: Type.String(),
  kind: PlanKind,
  state: PlanState,
  /** Version of the authority the plan was made against; accepting it on any other is refused. */
  baseVersion: Type.Number(),
  createdAt: Type.Number(),
  expiresAt: Type.Number(),
  proposedBy: Actor,
  decision: Type.Optional(
    Type.Object({
      at: Type.Number(),
      by: Actor,
      automatic: Type.Boolean(),
      acknowledged: Type.Boolean(),
      note: Type.Optional(Type.String()),
      view: Type.Unsafe<PlanView>(Type.Object({ kind: Type.String() })),
    }),
  ),
});
export type Plan = Static<typeof Plan>;

/** One accepted contract of a deployment. */
const AcceptedContract = Type.Object({
  version: Type.Number(),
  contractId: Type.String(),
  digest: Type.String(),
  kind: PlanKind,
  planId: Type.String(),
  at: Type.Number(),
  by: Actor,
  automatic: Type.Boolean(),
});
export type AcceptedContract = Static<typeof AcceptedContract>;

const ReconcileState = Type.Object({
  /**
   * `failed` waits for `nextAttemptAt`; the last good materialization stays in force. `done` with a next attempt lacks
   * something that the contract can live without.
   */
  state: Type.Union([Type.Literal("pending"), Type.Literal("done"), Type.Literal("failed")]),
  attempts: Type.Number(),
  updatedAt: Type.Number(),
  nextAttemptAt: Type.Optional(Type.Number()),
  problems: Type.Array(Type.String()),
});
export type ReconcileState = Static<typeof ReconcileState>;

/**
 * What a deployment may do. `desired` is what was accepted last, `materialized` what exists on NATS; credentials are
 * given from `materialized` only. Id: the deployment's name.
 */
const Authority = Type.Object({
  deployment: Type.String(),
  /** Counts accepted plans; zero means nothing was accepted yet. */
  version: Type.Number(),
  desired: Type.Optional(AcceptedContract),
  /** Digests that may connect: the desired one and earlier accepted ones it is compatible with. */
  accepted: Type.Array(Type.String()),
  materialized: Type.Optional(
    Type.Object({
      version: Type.Number(),
      contractId: Type.String(),
      digest: Type.String(),
      bindings: Type.Unsafe<Bindings>(Type.Object({ kv: Type.Object({}), store: Type.Object({}) })),
      /** Of the resources that were made: when what should exist no longer matches, there is work to do. */
      fingerprint: Type.String(),
      /** Its resources depend on other contracts and change with them. */
      follows: Type.Boolean(),
      at: Type.Number(),
    }),
  ),
  reconcile: ReconcileState,
  /** Newest first, bounded. */
  history: Type.Array(AcceptedContract),
});
export type Authority = Static<typeof Authority>;

/** A person. Id: ULID. */
const User = Type.Object({
  id: Type.String(),
  name: Type.String(),
  groups: Type.Array(Type.String()),
  active: Type.Boolean(),
  createdAt: Type.Number(),
  createdBy: Actor,
});
export type User = Static<typeof User>;

/** A public key that may enrol agent sessions for its user. Id: the public key (base64url). */
const UserKey = Type.Object({
  key: Type.String(),
  userId: Type.String(),
  label: Type.Optional(Type.String()),
  enabled: Type.Boolean(),
  createdAt: Type.Number(),
  createdBy: Actor,
});
export type UserKey = Static<typeof UserKey>;

/** Capabilities under one name. Id: the name. */
const Group = Type.Object({
  name: Type.String(),
  capabilities: Type.Array(Type.String()),
  /** Also holds every capability that the active contracts declare: the group `admin`. */
  everyCapability: Type.Boolean(),
  createdAt: Type.Number(),
});
export type Group = Static<typeof Group>;

/** What happened so far to a schedule of a contract. Id: `<service>.<queue>.<name>`. */
const Schedule = Type.Object({
  service: Type.String(),
  queue: Type.String(),
  name: Type.String(),
  /** Everything due up to this time is settled. */
  upTo: Type.Number(),
  paused: Type.Optional(Type.Object({ by: Type.String(), at: Type.Number() })),
  lastDueAt: Type.Optional(Type.Number()),
  lastJob: Type.Optional(Type.String()),
  /** Not created, because this job of an earlier time had not ended. */
  lastSkipped: Type.Optional(Type.Object({ at: Type.Number(), because: Type.String() })),
});
export type Schedule = Static<typeof Schedule>;

/** A session key that is refused for ever, whatever else says it is fine. Id: the session key. */
const Revocation = Type.Object({
  sessionKey: Type.String(),
  at: Type.Number(),
  by: Actor,
  reason: Type.String(),
});
export type Revocation = Static<typeof Revocation>;

/** Somebody's decision to delete a released resource, until it is carried out. Id: the name `existingName` gives it. */
const Purge = Type.Object({
  kind: Type.Union([
    Type.Literal("kv"),
    Type.Literal("store"),
    Type.Literal("eventConsumer"),
    Type.Literal("jobs"),
    Type.Literal("operations"),
    Type.Literal("operationsWork"),
    Type.Literal("operationsConsumer"),
  ]),
  deployment: Type.String(),
  alias: Type.String(),
  /** When what is to be deleted was made: what has its name later is something else. */
  createdAt: Type.String(),
  at: Type.Number(),
  by: Actor,
});
export type Purge = Static<typeof Purge>;

/** A change somebody made, on its way to the audit log. Id: ULID. */
const AuditRecord = Type.Object({
  id: Type.String(),
  at: Type.Number(),
  actor: Actor,
  /** `deployment.create`, `plan.accept`, … */
  action: Type.String(),
  target: Type.String(),
  detail: Type.Optional(Type.Unsafe<Json>({})),
});
export type AuditRecord = Static<typeof AuditRecord>;

export const DEPLOYMENTS = define("deployments", Deployment);
export const INSTANCES = define("instances", Instance, { deployment: (instance) => [instance.deployment] });
export const CONTRACTS = define("contracts", KnownContract, { contract: (known) => [known.contractId] });
export const PLANS = define("plans", Plan, {
  deployment: (plan) => [plan.deployment],
  state: (plan) => [plan.state],
});
export const AUTHORITIES = define("authorities", Authority, {
  /** Deployments that implement a contract: what is materialized counts, not what is wished for. */
  implements: (authority) => (authority.materialized ? [authority.materialized.contractId] : []),
  desired: (authority) => (authority.desired ? [authority.desired.contractId] : []),
  reconcile: ({ reconcile: { state, nextAttemptAt } }) =>
    state === "done" && nextAttemptAt !== undefined ? [state, "incomplete"] : [state],
  follows: (authority) => (authority.materialized?.follows ? ["yes"] : []),
});
export const USERS = define("users", User, { name: (user) => [user.name], group: (user) => user.groups });
export const USER_KEYS = define("user_keys", UserKey, { user: (key) => [key.userId] });
export const SCHEDULES = define("schedules", Schedule);
export const GROUPS = define("groups", Group);
export const REVOCATIONS = define("revocations", Revocation);
export const PURGES = define("purges", Purge);
export const AUDIT_OUTBOX = define("audit_outbox", AuditRecord);

function define<S extends TSchema>(
  name: string,
  schema: S,
  indexes: { readonly [index: string]: (record: Static<S>) => readonly string[] } = {},
): TableDefinition<Static<S>> {
  const validator = Compile(schema);
  const version = 1;
  return {
    name,
    version,
    indexes,
    decode: (value, writtenBy) => {
      if (writtenBy > version)
        throw new Error(`record of table ${name} has version ${writtenBy}; this control plane reads up to ${version}`);
      if (!validator.Check(value)) {
        const first = validator.Errors(value)[0];
        throw new Error(
          `record of table ${name} is not readable: ${first ? `${first.instancePath} ${first.message}` : "wrong shape"}`,
        );
      }
      return value;
    },
  };
}
