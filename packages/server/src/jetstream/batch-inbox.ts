import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import { newInboxOwner, newReplySubject, replyBase, TransportError } from "@trellis/protocol";
import { fromDelivery } from "./stored-message.ts";
import type { StoredMessage } from "./stored-message.ts";
import { StreamRefused } from "./stream-refused.ts";

/** One answer to a batched read. */
export interface BatchPage {
  readonly messages: readonly StoredMessage[];
  /** Messages the replica had beyond this page. */
  readonly pending: number;
}

/** A replica that has begun to answer sends the next message within this, or is gone. */
const SILENCE_MS = 3_000;

interface WaitingPage {
  readonly stream: string;
  readonly messages: StoredMessage[];
  heardAt: number;
  resolve(page: BatchPage): void;
  reject(error: Error): void;
}

/**
 * Where the answers to batched reads arrive: below a subject of class `a`, where no participant can publish.
 *
 * 1. A page is complete or it fails: every message names the one before it, so a lost one is noticed.
 * 2. A page fails at once when the connection is lost, because its answers went there.
 */
export class BatchInbox {
  readonly #link: Link;
  readonly #base: string;
  readonly #waiting = new Map<string, WaitingPage>();
  #subscription: LinkSubscription | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(link: Link) {
    this.#link = link;
    this.#base = replyBase(link.inboxPrefix, "a", newInboxOwner());
    link.onState((state) => {
      if (state !== "connected") this.#failAll();
    });
  }

  /** Asks for a page of messages; the request is the body of `$JS.API.DIRECT.GET.<stream>`. */
  read(stream: string, request: object): Promise<BatchPage> {
    this.#subscription ??= this.#link.subscribe(`${this.#base}.*`, {
      fromJetStream: true,
      onMessage: (message) => this.#receive(message),
    });
    return new Promise((resolve, reject) => {
      const reply = newReplySubject(this.#base);
      if (this.#link.state !== "connected") return reject(lost());
      this.#waiting.set(reply, { stream, messages: [], heardAt: performance.now(), resolve, reject });
      this.#watchSilence();
      try {
        this.#link.publish(`$JS.API.DIRECT.GET.${stream}`, encoder.encode(JSON.stringify(request)), { reply });
      } catch (error) {
        this.#waiting.delete(reply);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  #receive(message: LinkMessage): void {
    const page = this.#waiting.get(message.subject);
    const { headers } = message;
    if (page === undefined || headers === undefined) return;
    page.heardAt = performance.now();
    const last = page.messages.at(-1)?.sequence;
    // The server gives the messages themselves no status.
    if (headers.code === 0) {
      const stored = fromDelivery(message, page.stream);
      const before = Number(headers.get("Nats-Last-Sequence"));
      if (stored === undefined || (last !== undefined && before !== last)) this.#fail(message.subject, lost());
      else page.messages.push(stored);
      return;
    }
    if (headers.code === 404) return this.#finish(message.subject, 0);
    if (headers.code === 204) {
      const before = Number(headers.get("Nats-Last-Sequence"));
      if (before !== (last ?? before)) return this.#fail(message.subject, lost());
      return this.#finish(message.subject, Number(headers.get("Nats-Num-Pending")));
    }
    this.#fail(
      message.subject,
      headers.code === 503
        ? new TransportError("no_responders", { message: `Nobody serves ${page.stream} at the moment.` })
        : new StreamRefused(`a read of ${page.stream}`, { code: headers.code, description: headers.description }),
    );
  }

  #finish(reply: string, pending: number): void {
    const page = this.#waiting.get(reply);
    this.#waiting.delete(reply);
    page?.resolve({ messages: page.messages, pending });
  }

  #fail(reply: string, error: Error): void {
    const page = this.#waiting.get(reply);
    this.#waiting.delete(reply);
    page?.reject(error);
  }

  #failAll(): void {
    for (const reply of [...this.#waiting.keys()]) this.#fail(reply, lost());
  }

  #watchSilence(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const now = performance.now();
      for (const [reply, page] of [...this.#waiting]) {
        if (now - page.heardAt >= SILENCE_MS) this.#fail(reply, lost());
      }
      if (this.#waiting.size > 0) this.#watchSilence();
    }, SILENCE_MS / 3);
  }
}

const encoder = new TextEncoder();

function lost(): TransportError {
  return new TransportError("disconnected", { message: "The answer to a batched read did not arrive whole." });
}

/** One inbox serves everything that reads over a link. */
export function batchInboxOf(link: Link): BatchInbox {
  let inbox = inboxes.get(link);
  if (inbox === undefined) inboxes.set(link, (inbox = new BatchInbox(link)));
  return inbox;
}

const inboxes = new WeakMap<Link, BatchInbox>();
