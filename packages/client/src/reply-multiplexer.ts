import type { MsgHdrs } from "@nats-io/nats-core";
import {
  INBOX_CALL_CHARACTERS as CALL_TOKEN,
  newInboxOwner,
  randomToken,
  replyBase,
  TransportError,
} from "@trellis/protocol";
import { DeadlineWheel, WheelEntry } from "./deadline-wheel.ts";
import { carriesJetStreamHeaders } from "./jetstream-headers.ts";
import type { LinkMessage } from "./link.ts";

/**
 * Every answer of a connection arrives through one wildcard subscription and is handed to the call that waits for it.
 *
 * 1. A call's subject is `<inbox><token>`: 22 random characters a connection, 12 a call; an answer to anything else is
 *    dropped, so is a second answer.
 * 2. Answers of participants (`r`) and of JetStream (`a`) live in different tables: neither can settle the other's call.
 * 3. A call outlives the connection that sent it: its inbox stays subscribed (on newer connections too) until the last
 *    call waiting there is settled.
 */
export type InboxClass = "r" | "a";

/** Where the answers to one connection's calls arrive. */
export class ReplyInbox {
  readonly base: { readonly r: string; readonly a: string };
  pending = 0;
  /** Called when the last waiting call is settled. */
  onIdle: (() => void) | undefined = undefined;

  constructor(prefix: string) {
    this.base = {
      r: `${replyBase(prefix, "r", newInboxOwner())}.`,
      a: `${replyBase(prefix, "a", newInboxOwner())}.`,
    };
  }
}

/** One call that waits for one answer. */
class WaitingCall extends WheelEntry {
  readonly #table: ReplyMultiplexer;
  readonly token: string;
  readonly inboxClass: InboxClass;
  readonly inbox: ReplyInbox;
  readonly subject: string;
  readonly timeoutMs: number;
  signal: AbortSignal | undefined = undefined;
  onAbort: (() => void) | undefined = undefined;
  resolve!: (message: LinkMessage) => void;
  reject!: (error: Error) => void;

  constructor(table: ReplyMultiplexer, inbox: ReplyInbox, inboxClass: InboxClass, subject: string, timeoutMs: number) {
    super();
    this.#table = table;
    this.token = randomToken(CALL_TOKEN);
    this.inbox = inbox;
    this.inboxClass = inboxClass;
    this.subject = subject;
    this.timeoutMs = timeoutMs;
  }

  override expire(): void {
    this.#table.fail(
      this,
      new TransportError("timeout", {
        message: `No answer on ${this.subject} within ${Math.round(this.timeoutMs)} ms; the request may or may not have been carried out.`,
      }),
    );
  }
}

/** What `begin` hands out: where the answer will arrive and the promise of it. */
export interface BegunCall {
  readonly reply: string;
  readonly answer: Promise<LinkMessage>;
  /** Settles the call with an error when the request could not be sent. */
  abandon(error: Error): void;
}

export class ReplyMultiplexer {
  readonly #wheel = new DeadlineWheel();
  readonly #waiting = { r: new Map<string, WaitingCall>(), a: new Map<string, WaitingCall>() };

  get size(): number {
    return this.#waiting.r.size + this.#waiting.a.size;
  }

  begin(
    inbox: ReplyInbox,
    subject: string,
    timeoutMs: number,
    inboxClass: InboxClass,
    signal: AbortSignal | undefined,
  ): BegunCall {
    const call = new WaitingCall(this, inbox, inboxClass, subject, timeoutMs);
    const answer = new Promise<LinkMessage>((resolve, reject) => {
      call.resolve = resolve;
      call.reject = reject;
    });
    this.#waiting[inboxClass].set(call.token, call);
    inbox.pending += 1;
    this.#wheel.add(call, timeoutMs);
    if (signal !== undefined) this.#listen(call, signal);
    return { reply: inbox.base[inboxClass] + call.token, answer, abandon: (error) => this.fail(call, error) };
  }

  /** Settles the call that waits for this message, if any does. */
  receive(inboxClass: InboxClass, message: LinkMessage): void {
    const subject = message.subject;
    const call = this.#waiting[inboxClass].get(subject.slice(-CALL_TOKEN));
    if (call === undefined || subject.length !== call.inbox.base[inboxClass].length + CALL_TOKEN) return;
    if (!subject.startsWith(call.inbox.base[inboxClass])) return;
    const headers = message.headers;
    if (headers !== undefined) {
      if (message.data.length === 0 && isNoResponders(headers)) {
        this.fail(call, noResponders(call.subject));
        return;
      }
      // A participant never answers with JetStream's headers: this is the server made to speak by somebody else.
      if (inboxClass === "r" && carriesJetStreamHeaders(headers)) return;
    }
    this.#settle(call);
    call.resolve(message);
  }

  fail(call: WaitingCall, error: Error): void {
    if (this.#waiting[call.inboxClass].get(call.token) !== call) return;
    this.#settle(call);
    call.reject(error);
  }

  /** NATS refused a publish: the calls sent there through that connection will never be answered. */
  refuse(inbox: ReplyInbox, subject: string): void {
    for (const calls of [this.#waiting.r, this.#waiting.a]) {
      for (const call of calls.values()) {
        if (call.inbox === inbox && call.subject === subject) this.fail(call, publishRefused(subject));
      }
    }
  }

  /** Ends every call: the link closes. */
  failAll(error: Error): void {
    for (const calls of [this.#waiting.r, this.#waiting.a]) {
      for (const call of calls.values()) this.fail(call, error);
    }
    this.#wheel.stop();
  }

  #listen(call: WaitingCall, signal: AbortSignal): void {
    const onAbort = (): void => this.fail(call, cancelled(call.subject));
    call.signal = signal;
    call.onAbort = onAbort;
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  }

  #settle(call: WaitingCall): void {
    this.#waiting[call.inboxClass].delete(call.token);
    this.#wheel.remove(call);
    if (call.onAbort !== undefined) call.signal?.removeEventListener("abort", call.onAbort);
    const inbox = call.inbox;
    inbox.pending -= 1;
    if (inbox.pending === 0 && inbox.onIdle !== undefined) inbox.onIdle();
  }
}

function isNoResponders(headers: MsgHdrs): boolean {
  return headers.code === 503;
}

function noResponders(subject: string): TransportError {
  return new TransportError("no_responders", { message: `Nobody serves ${subject} at the moment.` });
}

function cancelled(subject: string): TransportError {
  return new TransportError("cancelled", { message: `The call on ${subject} was cancelled before its answer came.` });
}

function publishRefused(subject: string): TransportError {
  return new TransportError("permission_denied", {
    message: `NATS refused to publish to ${subject}: the permissions of this connection do not cover it.`,
  });
}
