export { MANIFEST_FORMAT } from "./manifest.ts";
export type * from "./manifest.ts";
export * from "./bindings.ts";
export type * from "./permissions.ts";
export { decodeBase64url, encodeBase64url } from "./base64url.ts";
export { canonicalJson, CanonicalError } from "./canonical.ts";
export { TrellisError } from "./errors.ts";
export {
  CAPABILITY_SEPARATOR,
  capabilityKey,
  contractName,
  contractVersion,
  isName,
  NAME_RULES,
  RESERVED_CAPABILITIES,
  surfacePath,
} from "./names.ts";
export type { NameKind, SurfaceGroup, SurfaceLeaf, SurfacePath } from "./names.ts";
export {
  OPERATION_ACTIONS,
  deadEventSubject,
  eventSubjectTemplate,
  eventWildcard,
  feedSubject,
  jobMarkSubject,
  jobSubject,
  operationChangesSubject,
  operationContractSubject,
  operationControlSubject,
  operationRunSubject,
  operationRecordSubject,
  operationSubject,
  operationToken,
  readStoredSubject,
  REPLAY_TRANSFORM,
  replaySubject,
  replayToken,
  rpcSubject,
  streamControlSubject,
  subjectCovers,
  subjectMatcher,
  subjectsOverlap,
  transferControlSubject,
  transferSubject,
  withReplays,
  workSubject,
} from "./subjects.ts";
export type { OperationAction, StoredEventSubject } from "./subjects.ts";
export { LIMITS } from "./limits.ts";
export { cronDay, parseCron } from "./cron.ts";
export type { CronTimes, WallTime } from "./cron.ts";
export type { Limit } from "./limits.ts";
export { compileSchema, schemaAt, SchemaError } from "./schema.ts";
export type { CompiledSchema } from "./schema.ts";
export type { SchemaIssue } from "./schema-rules.ts";
export { schemaProblems } from "./schema-problems.ts";
export type { Problem } from "./schema-problems.ts";
export { baselineUses, STATE_CONTRACT } from "./baseline.ts";
export type { BaselineUse } from "./baseline.ts";
export { ContractError } from "./contract-error.ts";
export { contractFromManifest } from "./contract.ts";
export type {
  AnyContract,
  AnySelection,
  AnyUse,
  Contract,
  ContractUse,
  SelectionOf,
  UsedContract,
} from "./contract.ts";
export {
  defineAgentContract,
  defineAppContract,
  defineContract,
  defineDeviceContract,
  defineServiceContract,
} from "./define-contract.ts";
export type { DefineAnyContract, DefineContract, Refs } from "./define-contract.ts";
export { defineError } from "./define-error.ts";
export type {
  AnyErrorClass,
  DeclaredError,
  ErrorClass,
  ErrorData,
  ErrorDefinition,
  ErrorFields,
} from "./define-error.ts";
export type { Definition, NamedError, NamedSchema } from "./definition.ts";
export type { DefinedShape } from "./defined-shape.ts";
export type {
  ContractShape,
  EventConsumerShape,
  EventShape,
  FeedShape,
  JobShape,
  KvShape,
  OperationShape,
  RpcShape,
  StateShape,
  StoreShape,
  UsedShape,
} from "./shape.ts";
export type { InferSchema, SchemaSource } from "./standard-schema.ts";
export type {
  CallableOperations,
  CallableRpc,
  ErrorOf,
  ErrorsOf,
  EventConsumersOf,
  EventsOf,
  FeedsOf,
  IfRequired,
  JobsOf,
  KvOf,
  ListenableEvents,
  Nested,
  OperationsOf,
  PublishableEvents,
  ReadableFeeds,
  RpcOf,
  ShapeOf,
  StateOf,
  StoreOf,
} from "./types.ts";
export { contractDigest, digestProjection } from "./digest.ts";
export { normalizeManifest } from "./normalize.ts";
export { parseManifest } from "./parse.ts";
export type { ManifestInvalid, ParsedManifest } from "./parse.ts";
export { BUILT_IN_ERRORS } from "./manifest-references.ts";
export { listSurfaces, schemaRefs } from "./surfaces.ts";
export type { SchemaRefAt, Surface, SurfaceKind } from "./surfaces.ts";
export { findSubjectCollisions } from "./collisions.ts";
export type { CollidingSurface, Collision } from "./collisions.ts";
export { AUTH_CHANGES_SUBJECT, derivePermissions } from "./derive.ts";
export { suggestName } from "./did-you-mean.ts";
export { compareManifests } from "./compare.ts";
export type { Change, Compatibility } from "./compare.ts";
export type { Broken } from "./compare-changes.ts";
export { schemaMisfit } from "./schema-fits.ts";
export type { Misfit } from "./schema-fits.ts";
