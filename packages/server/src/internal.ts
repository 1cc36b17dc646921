/** For packages of this repository; changes without notice. */
export { createServiceRuntime } from "./service-runtime.ts";
export type { ServiceRuntime, ServiceRuntimeOptions } from "./service-runtime.ts";
export { SERVICE_LIMITS } from "./limits.ts";
export type { ServiceLimits } from "./limits.ts";
export type { Caller, RequestAuthority, ValidateAnswer, ValidateRequest } from "./authority.ts";
export type { PlatformClock } from "./request-check.ts";
export type { Unanswered } from "./rpc-router.ts";
export { SILENT_LOG } from "./log.ts";
export type { Log, LogFields } from "./log.ts";
export { Health } from "./health.ts";
export type { HealthCheck, HealthFinding, HealthReport, HealthStatus } from "./health.ts";
export { ServiceSetupError } from "./registrars.ts";
export type {
  AnyHandler,
  Handle,
  HandlerContext,
  HandlerResult,
  RpcHandler,
  RpcHandlers,
  RpcRegistrars,
} from "./handlers.ts";
export type { BuiltInError } from "./built-in-error.ts";
export { createRpcAuthority } from "./rpc-authority.ts";
export { historyOf } from "./operations/operation-history.ts";
export { OperationJournal, storedRecord } from "./operations/operation-journal.ts";
export type { OperationName } from "./operations/operation-journal.ts";
export { cancelOperation, retryOperation } from "./operations/operation-outside.ts";
export { readItem, readRecord } from "./operations/operation-record.ts";
export type { HistoryEntry, OperationItem, OperationOrigin, OperationRecord } from "./operations/operation-record.ts";
export type { RecordKind, StoredRecord } from "./operations/operation-record.ts";
export { standingOf } from "./operations/operation-standing.ts";
export type { Standing } from "./operations/operation-standing.ts";
export { createService } from "./service.ts";
export type { Readiness, ServiceHost, ServiceOptions, ServiceSession, TrellisService } from "./service.ts";
export type { RunInside } from "./service-runtime.ts";
export { createKv } from "./kv/kv.ts";
export type { KvParts } from "./kv/kv.ts";
export { OwnStream } from "./jetstream/own-stream.ts";
export { fromDelivery } from "./jetstream/stored-message.ts";
export type { StoredMessage } from "./jetstream/stored-message.ts";
export { createStore } from "./store/store.ts";
export type { StoreOptions } from "./store/store.ts";
export { KvError } from "./kv/kv-error.ts";
export type { Kv } from "./kv/kv.ts";
export type { KvChange, KvHistoryEntry } from "./kv/kv-types.ts";
export { StoreError } from "./store/store-error.ts";
export { storeOf, storeParts } from "./store/store.ts";
export type { Store } from "./store/store.ts";
export type { StoredObject } from "./store/store-types.ts";
export type { PiecewiseUploads } from "./store/piecewise-upload.ts";
export { piecewiseUploads } from "./store/piecewise-upload.ts";
