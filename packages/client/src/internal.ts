/** For `@trellis/server`, the control plane and our own tools; it may change in any version. */

// The seam to NATS.
export type { Link, LinkMessage, LinkState, LinkSubscription, RequestOptions, SubscribeOptions } from "./link.ts";
export { connectLink } from "./nats-link.ts";
export type { LinkOptions, NatsLink } from "./nats-link.ts";
export type { ConnectFunction, ConnectionPlan } from "./nats-wire.ts";
export { HELD_PUBLISHES } from "./held-publishes.ts";
export { carriesJetStreamHeaders } from "./jetstream-headers.ts";
export { readHeadersEverywhere } from "./read-headers.ts";

// Pull consumers.
export { headerValues } from "./received-message.ts";
export { Recent } from "./recent.ts";
export { Puller } from "./pull/puller.ts";
export type { Delivery } from "./pull/delivery.ts";

// Bytes.
export { BodyFailed, bodyChunks, bodySize } from "./transfers/body-chunks.ts";
export type { Body } from "./transfers/body-chunks.ts";

// Time.
export { DeadlineWheel, WheelEntry } from "./deadline-wheel.ts";
export { pause, reconnectDelayMs } from "./reconnect-delay.ts";
export { within } from "./within.ts";

// Who we are.
export { createRequestSigner } from "./request-signer.ts";
export type { RequestSigner, RequestSignerOptions } from "./request-signer.ts";
export { ConnectRefused, connectSession } from "./session.ts";
export type { Session, SessionOptions } from "./session.ts";

// Events.
export { consumedEvents, publishableEvents } from "./events/event-facts.ts";
export type { EventFacts } from "./events/event-facts.ts";
export type { EventTransport } from "./events/event-transport.ts";
export { readPubAck } from "./events/pub-ack.ts";
export { eventTime, readEvent } from "./events/read-event.ts";
