/** The managed nats-server: find or fetch it, make its keys and accounts, run one or a cluster. */

export { findNatsServer, NatsServerNotFound, type FindOptions, type NatsBinary } from "./binary/find.ts";
export { OLDEST_VERSION, PINNED_VERSION } from "./binary/release.ts";

export { NkeyError, type NkeyKind } from "./keys/nkey-text.ts";
export { createNkey, nkeyFromPublic, nkeyFromSeed, type Nkey, type NkeyPublic, type SigningKind } from "./keys/nkey.ts";
export { createXkey, xkeyFromSeed, type Xkey } from "./keys/xkey.ts";
export { decodeJwt, type SignedClaims } from "./keys/jwt.ts";
export {
  encodeAccountJwt,
  encodeOperatorJwt,
  encodeUserJwt,
  type AccountClaims,
  type AccountExport,
  type AccountImport,
  type OperatorClaims,
  type SubjectPermissions,
  type UserClaims,
  type UserPermissions,
} from "./keys/claims.ts";
export {
  decodeAuthorizationRequest,
  encodeAuthorizationResponse,
  type AuthorizationDecoding,
  type AuthorizationRequest,
  type AuthorizationResponse,
} from "./keys/authorization.ts";

export { ACCOUNT_NAMES, DATA_EXPORTS, LEADER_READ_PREFIX, type AccountName } from "./operator/accounts.ts";
export {
  createOperatorBundle,
  type ControlPlaneKeys,
  type OperatorBundle,
  type OperatorKey,
  type ServerTrust,
} from "./operator/bundle.ts";
export { missingSubjects } from "./operator/issue-accounts.ts";
export { upgradeBundle, type UpgradedBundle } from "./operator/upgrade-bundle.ts";
export {
  BUNDLE_FILES,
  BundleError,
  loadControlPlaneKeys,
  loadOperatorBundle,
  loadServerTrust,
  openOperatorBundle,
  saveOperatorBundle,
  upgradeOperatorBundle,
} from "./operator/bundle-files.ts";
export {
  createDirectUser,
  credsText,
  directAuthenticator,
  type DirectUser,
  type DirectUserOptions,
} from "./operator/direct-user.ts";

export {
  DEFAULT_AUTH_TIMEOUT_MS,
  DEFAULT_MAX_PAYLOAD_BYTES,
  serverConfig,
  type NodePorts,
  type NodeSettings,
  type ServerSettings,
  type TlsFiles,
  type WebsocketOptions,
} from "./run/config.ts";
export { garbageCollection } from "./run/garbage-collection.ts";
export { spawnGuarded, type GuardedProcess } from "./run/guarded-process.ts";
export { keepRunning, type KeepRunningOptions } from "./run/keep-running.ts";
export { type NatsNode, ServerAlreadyRuns, type StopOptions } from "./run/node.ts";
export { startNats, type ManagedNats, type NatsOptions } from "./run/start.ts";
