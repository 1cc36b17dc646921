export { createClient } from "./client.ts";
export type { CallError, ClientConnection, ClientOptions, ClientRpc, RpcFunction, TrellisClient } from "./client.ts";
export type { CallOptions, CallTransport } from "./rpc-call.ts";
export { ConnectRefused } from "./session.ts";
export type { LinkState } from "./link.ts";
export type { ClientFeeds, FeedFunction, FeedOptions, FeedReading, NamedFeed } from "./feeds/feed-types.ts";
