export { ServiceSetupError } from "./registrars.ts";
export { SERVICE_LIMITS } from "./limits.ts";
export type { ServiceLimits } from "./limits.ts";
export type { Caller } from "./authority.ts";
export { SILENT_LOG } from "./log.ts";
export type { Log, LogFields } from "./log.ts";
export type { HealthCheck, HealthFinding, HealthReport, HealthStatus } from "./health.ts";
export type { Handle, HandlerContext, HandlerResult, RpcHandler, RpcHandlers, RpcRegistrars } from "./handlers.ts";
export type { BuiltInError } from "./built-in-error.ts";
export type { Migrations, Readiness, TrellisService } from "./service.ts";
export { KvError } from "./kv/kv-error.ts";
export type { KvErrorCode } from "./kv/kv-error.ts";
export type { Kv, KvWriteOptions } from "./kv/kv.ts";
export type { KvWatchOptions } from "./kv/kv-types.ts";
export type {
  KvChange,
  KvEnded,
  KvEntry,
  KvHistoryEntry,
  KvPage,
  KvPageRequest,
  KvStatus,
  KvStored,
  KvWritten,
} from "./kv/kv-types.ts";
export type { KvMigrations, ServiceKv } from "./kv/service-kv.ts";
export { StoreError } from "./store/store-error.ts";
export type { StoreErrorCode } from "./store/store-error.ts";
export type { Store } from "./store/store.ts";
export type {
  StoreBody,
  StoredObject,
  StoreDownload,
  StoreGetOptions,
  StoreProgress,
  StorePutOptions,
  StoreStatus,
} from "./store/store-types.ts";
export type { ServiceStore } from "./store/service-store.ts";
export { fromBytes, fromStore } from "./transfers/transfer-source.ts";
export type { BytesAbout, TransferSource } from "./transfers/transfer-source.ts";
export { frame } from "./feeds/feed-handlers.ts";
export type { FeedContext, FeedFrame, FeedFrames, FeedHandler, FeedRegistrars } from "./feeds/feed-handlers.ts";
export type {
  Deferred,
  DeferredControl,
  OperationContext,
  OperationControls,
  OperationHandler,
  OperationRegistrars,
  OperationSignal,
  RunningOperation,
  StepContext,
} from "./operations/operation-handlers.ts";
export type {
  EventContext,
  EventHandler,
  EventHandlers,
  EventOutcome,
  EventRegistrars,
} from "./consumers/event-handlers.ts";
