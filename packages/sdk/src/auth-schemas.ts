import { Type } from "typebox";

/**
 * Shapes of `trellis.auth@v1`. Bounds on strings and pages are part of the contract: the control plane refuses
 * what is larger before any handler sees it.
 */

/** Deployment names appear in bucket names and job subjects, so they hold nothing a subject token may not. */
const DeploymentName = Type.String({ pattern: "^[a-z][a-z0-9-]{0,47}$" });
const Name = Type.String({ minLength: 1, maxLength: 128 });
const Id = Type.String({ minLength: 1, maxLength: 128 });
const PublicKey = Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" });
const Time = Type.String();

const Page = {
  cursor: Type.Optional(Type.String({ maxLength: 256 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
};
const NextPage = { nextCursor: Type.Optional(Type.String()) };

const Empty = Type.Object({});
const Done = Type.Object({ revision: Type.Integer() });

const Caller = Type.Object({
  type: Type.Union([Type.Literal("service"), Type.Literal("user"), Type.Literal("device")]),
  id: Type.String(),
  name: Type.String(),
  sessionKey: Type.String(),
  contractId: Type.String(),
  /** Services only: the name of the deployment. */
  deployment: Type.Optional(Type.String()),
});

const ValidateInput = Type.Object({
  sessionKey: PublicKey,
  subject: Type.String({ maxLength: 1024 }),
  payloadHash: Type.String({ maxLength: 64 }),
  proof: Type.String({ maxLength: 128 }),
  iat: Type.Integer(),
  requestId: Type.String({ maxLength: 128 }),
  capabilities: Type.Optional(Type.Array(Type.String(), { maxItems: 64 })),
  /** Also claims the request id for good: of all replicas that ask, one is allowed. */
  once: Type.Optional(Type.Boolean()),
});
const ValidateOutput = Type.Object({
  allowed: Type.Boolean(),
  reason: Type.Optional(Type.String()),
  inboxPrefix: Type.Optional(Type.String()),
  caller: Type.Optional(Caller),
  capabilities: Type.Optional(Type.Array(Type.String())),
  /** Registry revision this answer was made from: an older one never overrules a revocation. */
  revision: Type.Integer(),
  /** How long the facts may be reused, in milliseconds. */
  leaseMs: Type.Integer(),
});

const Session = Type.Object({
  sessionKey: Type.String(),
  principal: Type.Object({ type: Type.String(), id: Type.String(), name: Type.String() }),
  contractId: Type.String(),
  contractDigest: Type.String(),
  createdAt: Time,
  lastSeenAt: Time,
  connections: Type.Integer({ minimum: 0 }),
});
const Me = Type.Object({ session: Session, capabilities: Type.Array(Type.String()), serverNow: Type.Integer() });
const SessionsListInput = Type.Object({ principal: Type.Optional(Id), ...Page });
const SessionsList = Type.Object({ sessions: Type.Array(Session), ...NextPage });
const SessionRef = Type.Object({ sessionKey: PublicKey });

const Connection = Type.Object({
  id: Type.String(),
  sessionKey: Type.String(),
  principal: Type.String(),
  contractDigest: Type.String(),
  server: Type.String(),
  client: Type.String(),
  permissionRevision: Type.Integer(),
  openedAt: Time,
});
const ConnectionsListInput = Type.Object({ sessionKey: Type.Optional(PublicKey), ...Page });
const ConnectionsList = Type.Object({ connections: Type.Array(Connection), ...NextPage });
const KickInput = Type.Object({ id: Type.Optional(Id), sessionKey: Type.Optional(PublicKey) });
const KickOutput = Type.Object({ kicked: Type.Integer() });
const ConnectionEvent = Type.Object({ connection: Connection, at: Time, reason: Type.Optional(Type.String()) });
const SessionRevoked = Type.Object({
  sessionKey: Type.String(),
  by: Type.String(),
  at: Time,
  revision: Type.Integer(),
});

const Mode = Type.Union([Type.Literal("strict"), Type.Literal("mutable-dev")]);
const ReconcileState = Type.Union([
  Type.Literal("none"),
  Type.Literal("pending"),
  Type.Literal("ready"),
  Type.Literal("failing"),
]);
const Deployment = Type.Object({
  id: Type.String(),
  name: Type.String(),
  mode: Mode,
  enabled: Type.Boolean(),
  contractId: Type.Optional(Type.String()),
  desiredDigest: Type.Optional(Type.String()),
  materializedDigest: Type.Optional(Type.String()),
  version: Type.Integer(),
  reconcile: Type.Object({ state: ReconcileState, message: Type.Optional(Type.String()), at: Type.Optional(Time) }),
  waitingFor: Type.Array(Type.String()),
  pendingPlans: Type.Array(Type.String()),
  instances: Type.Integer(),
  liveReplicas: Type.Integer(),
  createdAt: Time,
});
const DeploymentCreate = Type.Object({ name: DeploymentName, mode: Type.Optional(Mode) });
const DeploymentRef = Type.Object({ deployment: Name });
const DeploymentUpdate = Type.Object({
  deployment: Name,
  mode: Type.Optional(Mode),
  enabled: Type.Optional(Type.Boolean()),
});
const DeploymentsListInput = Type.Object({ ...Page });
const DeploymentsList = Type.Object({ deployments: Type.Array(Deployment), ...NextPage });

const Instance = Type.Object({
  sessionKey: Type.String(),
  deployment: Type.String(),
  name: Type.String(),
  enabled: Type.Boolean(),
  live: Type.Boolean(),
  createdAt: Time,
  createdBy: Type.String(),
});
const InstanceProvision = Type.Object({ deployment: Name, sessionKey: PublicKey, name: Type.Optional(Name) });
const InstanceRef = Type.Object({ sessionKey: PublicKey });
const InstanceUpdate = Type.Object({ sessionKey: PublicKey, enabled: Type.Boolean() });
const InstancesListInput = Type.Object({ deployment: Type.Optional(Name), ...Page });
const InstancesList = Type.Object({ instances: Type.Array(Instance), ...NextPage });

const PlanChange = Type.Object({
  /** `+` added, `-` removed, `~` changed. */
  sign: Type.Union([Type.Literal("+"), Type.Literal("-"), Type.Literal("~")]),
  surface: Type.String(),
  name: Type.String(),
  message: Type.String(),
  breaking: Type.Boolean(),
});
const PlanBreak = Type.Object({ who: Type.String(), surface: Type.String(), message: Type.String() });
const Plan = Type.Object({
  id: Type.String(),
  deployment: Type.String(),
  contractId: Type.String(),
  fromDigest: Type.Optional(Type.String()),
  toDigest: Type.String(),
  classification: Type.Union([Type.Literal("update"), Type.Literal("migration")]),
  status: Type.Union([
    Type.Literal("pending"),
    Type.Literal("accepted"),
    Type.Literal("rejected"),
    Type.Literal("expired"),
    Type.Literal("superseded"),
  ]),
  changes: Type.Array(PlanChange),
  /** NATS permissions gained and lost, as `+ subscribe rpc.v1.Orders.Get (queue orders@v1)`. */
  permissions: Type.Array(Type.String()),
  breaks: Type.Array(PlanBreak),
  /** Contract ids of required uses that are known but have no live implementation yet. */
  inactive: Type.Array(Type.String()),
  /** Contract ids of required uses that are unknown or only incompatible: nothing happens until evidence arrives. */
  blockedBy: Type.Array(Type.String()),
  createdAt: Time,
  expiresAt: Time,
  decidedBy: Type.Optional(Type.String()),
  decidedAt: Type.Optional(Time),
});
const PlanInput = Type.Object({ deployment: Name, manifest: Type.Unknown() });
const PlanOutput = Type.Object({
  /** Absent when the contract is what is already accepted. */
  plan: Type.Optional(Plan),
  identical: Type.Boolean(),
});
const PlanRef = Type.Object({ plan: Id });
const PlanDecision = Type.Object({
  plan: Id,
  /** A migration breaks somebody: accepting it says so. */
  acknowledge: Type.Optional(Type.Boolean()),
});
const PlansListInput = Type.Object({
  deployment: Type.Optional(Name),
  status: Type.Optional(Type.String({ maxLength: 16 })),
  ...Page,
});
const PlansList = Type.Object({ plans: Type.Array(Plan), ...NextPage });

const ExplainInput = Type.Object({
  session: Type.String({ minLength: 1, maxLength: 128 }),
  subject: Type.String({ maxLength: 1024 }),
});
const ExplainRule = Type.Object({
  direction: Type.Union([Type.Literal("publish"), Type.Literal("subscribe")]),
  subject: Type.String(),
  queue: Type.Optional(Type.String()),
  reason: Type.String(),
});
const ExplainOutput = Type.Object({
  session: Type.String(),
  principal: Type.String(),
  contractId: Type.String(),
  publish: Type.Boolean(),
  subscribe: Type.Boolean(),
  rules: Type.Array(ExplainRule),
  message: Type.String(),
});

const AuditRecord = Type.Object({
  id: Type.String(),
  at: Time,
  actor: Type.String(),
  action: Type.String(),
  target: Type.String(),
  detail: Type.Optional(Type.Unknown()),
});
const AuditListInput = Type.Object({
  actor: Type.Optional(Type.String({ maxLength: 128 })),
  action: Type.Optional(Type.String({ maxLength: 128 })),
  target: Type.Optional(Type.String({ maxLength: 256 })),
  ...Page,
});
const AuditList = Type.Object({ records: Type.Array(AuditRecord), ...NextPage });

const User = Type.Object({
  id: Type.String(),
  name: Type.String(),
  active: Type.Boolean(),
  groups: Type.Array(Type.String()),
  keys: Type.Array(Type.String()),
  createdAt: Time,
});
const UserCreate = Type.Object({ name: Name, groups: Type.Optional(Type.Array(Name, { maxItems: 64 })) });
const UserUpdate = Type.Object({
  user: Name,
  active: Type.Optional(Type.Boolean()),
  groups: Type.Optional(Type.Array(Name, { maxItems: 64 })),
});
const UserAddKey = Type.Object({ user: Name, key: PublicKey });
const UsersListInput = Type.Object({ ...Page });
const UsersList = Type.Object({ users: Type.Array(User), ...NextPage });

/** Every schema of the contract by its name there. */
export const authSchemas = {
  DeploymentName,
  Empty,
  Done,
  Caller,
  ValidateInput,
  ValidateOutput,
  Session,
  Me,
  SessionsListInput,
  SessionsList,
  SessionRef,
  Connection,
  ConnectionsListInput,
  ConnectionsList,
  KickInput,
  KickOutput,
  ConnectionEvent,
  SessionRevoked,
  Mode,
  ReconcileState,
  Deployment,
  DeploymentCreate,
  DeploymentRef,
  DeploymentUpdate,
  DeploymentsListInput,
  DeploymentsList,
  Instance,
  InstanceProvision,
  InstanceRef,
  InstanceUpdate,
  InstancesListInput,
  InstancesList,
  PlanChange,
  PlanBreak,
  Plan,
  PlanInput,
  PlanOutput,
  PlanRef,
  PlanDecision,
  PlansListInput,
  PlansList,
  ExplainInput,
  ExplainRule,
  ExplainOutput,
  AuditRecord,
  AuditListInput,
  AuditList,
  User,
  UserCreate,
  UserUpdate,
  UserAddKey,
  UsersListInput,
  UsersList,
};
