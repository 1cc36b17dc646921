export { dispatchOutbox } from "./dispatcher.ts";
export type { DispatcherLimits, DispatcherOptions, OutboxDispatcher, OutboxPublisher } from "./dispatcher.ts";
export { createInbox } from "./inbox.ts";
export type { Inbox, InboxOptions } from "./inbox.ts";
export { INBOX_LIMITS, OUTBOX_LIMITS } from "./limits.ts";
export { OutboxFull } from "./repository.ts";
export type {
  Claim,
  HandledEvent,
  InboxRepository,
  OutboxRepository,
  OutboxStatus,
  ParkedEvent,
  StrangeEvents,
  WaitingEvent,
} from "./repository.ts";
