export { createClient } from "./client.ts";
export type { CallError } from "./call-error.ts";
export type { ClientConnection, ClientOptions, ClientRpc, RpcFunction, TrellisClient } from "./client.ts";
export type { CallOptions, CallTransport } from "./rpc-call.ts";
export { ConnectRefused } from "./session.ts";
export type { LinkState } from "./link.ts";
export type { Body } from "./transfers/body-chunks.ts";
export type { Uploaded, UploadOptions } from "./transfers/upload-sending.ts";
export type { Download, DownloadOptions, TransferProgress } from "./transfers/download-types.ts";
export type { ClientFeeds, FeedFunction, FeedOptions, FeedReading, NamedFeed } from "./feeds/feed-types.ts";
export type {
  ClientOperations,
  OperationBuilder,
  OperationCaller,
  OperationFailure,
  OperationRef,
  OperationUpdate,
  SnapshotOf,
  StartedOperation,
  RunOptions,
  StartOptions,
  UploadingOperation,
  WaitOptions,
  WatchOptions,
} from "./operations/operation-types.ts";
export type { ClientEvents, EventListener, EventPublisher } from "./events/event-surface.ts";
export type { ListenOptions, ListenProblem, LiveEvent, LiveEvents } from "./events/listen-events.ts";
export type { PublishedEvent, PublishError, PublishOptions } from "./events/publish-event.ts";
export type { PreparedEvent, PrepareOptions } from "./events/prepare-event.ts";
export type {
  ClientState,
  OlderStateEntry,
  StateCallOptions,
  StateChange,
  StateConditionOptions,
  StateEnd,
  StateEntry,
  StateError,
  StateListOptions,
  StateMap,
  StateMapChange,
  StateMapRead,
  StateMigrations,
  StatePage,
  StatePutOptions,
  StateRead,
  StateValue,
  StateWatchOptions,
} from "./state/state-types.ts";
export { PUBLISH_LIMITS } from "./events/publish-limits.ts";
