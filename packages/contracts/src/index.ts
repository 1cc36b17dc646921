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
  eventSubjectTemplate,
  eventWildcard,
  feedSubject,
  jobSubject,
  OPERATION_ACTIONS,
  operationControlSubject,
  operationSubject,
  rpcSubject,
  streamControlSubject,
  subjectCovers,
  subjectsOverlap,
  transferControlSubject,
  transferSubject,
  workSubject,
} from "./subjects.ts";
export type { OperationAction } from "./subjects.ts";
export { LIMITS } from "./limits.ts";
export type { Limit } from "./limits.ts";
export { compileSchema, schemaAt, SchemaError } from "./schema.ts";
export type { CompiledSchema, SchemaIssue } from "./schema.ts";
export { schemaProblems } from "./schema-problems.ts";
export type { Problem } from "./schema-problems.ts";
