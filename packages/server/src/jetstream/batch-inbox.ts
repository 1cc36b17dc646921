import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import { newInboxOwner, newReplySubject, replyBase, TransportError } from "@trellis/protocol";
import { fromDelivery } from "./stored-message.ts";
import type { StoredMessage } from "./stored-message.ts";
import { StreamRefused } from "./stream-refused.ts";

/** How a batched read ended. */
export interface BatchEnd {
  /** Messages the replica had beyond it. */
  readonly pending: number;
}

/** A replica that has begun to answer sends the next message within this, or is gone. */
const SILENCE_MS = 3_000;

interface WaitingPage {
  readonly stream: string;
  /** Not kept: a listing of ten thousand would cost more in memory than in reading. */
  readonly take: (message: StoredMessage) => void;
  subscription: LinkSubscription | undefined;
  last: number | undefined;
  heardAt: number;
  resolve(end: BatchEnd): void;
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
  readonly #waiting = new Set<WaitingPage>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(link: Link) {
    this.#link = link;
    this.#base = replyBase(link.inboxPrefix, "a", newInboxOwner());
    link.onState((state) => {
      if (state !== "connected") this.#failAll();
    });
  }

  /** Asks for a page of messages; the request is the body of `$JS.API.DIRECT.GET.<stream>`. `take` must not throw. */
  read(stream: string, request: object, take: (message: StoredMessage) => void): Promise<BatchEnd> {
    return new Promise((resolve, reject) => {
      if (this.#link.state !== "connected") return reject(lost());
      const page: WaitingPage = {
        stream,
        take,
        subscription: undefined,
        last: undefined,
        heardAt: performance.now(),
        resolve,
        reject,
      };
      const reply = newReplySubject(this.#base);
      this.#waiting.add(page);
      this.#watchSilence();
      try {
        // One for each page: a name without wildcards is the quickest to compare ten thousand messages with.
        page.subscription = this.#link.subscribe(reply, {
          fromJetStream: true,
          onMessage: (message) => this.#receive(page, message),
        });
        this.#link.publish(`$JS.API.DIRECT.GET.${stream}`, encoder.encode(JSON.stringify(request)), { reply });
      } catch (error) {
        this.#fail(page, error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  #receive(page: WaitingPage, message: LinkMessage): void {
    const { headers } = message;
    if (headers === undefined || !this.#waiting.has(page)) return;
    page.heardAt = performance.now();
    // The server gives the messages themselves no status.
    if (headers.code === 0) {
      const stored = fromDelivery(message, page.stream);
      if (stored === undefined || (page.last !== undefined && stored.before !== page.last))
        return this.#fail(page, lost());
      page.last = stored.sequence;
      page.take(stored);
    } else if (headers.code === 404) {
      this.#end(page);
      page.resolve({ pending: 0 });
    } else if (headers.code === 204) {
      if (page.last !== undefined && Number(headers.get("Nats-Last-Sequence")) !== page.last)
        return this.#fail(page, lost());
      this.#end(page);
      page.resolve({ pending: Number(headers.get("Nats-Num-Pending")) });
    } else {
      this.#fail(
        page,
        headers.code === 503
          ? new TransportError("no_responders", { message: `Nobody serves ${page.stream} at the moment.` })
          : new StreamRefused(`a read of ${page.stream}`, { code: headers.code, description: headers.description }),
      );
    }
  }

  #end(page: WaitingPage): void {
    this.#waiting.delete(page);
    page.subscription?.close();
  }

  #fail(page: WaitingPage, error: Error): void {
    this.#end(page);
    page.reject(error);
  }

  #failAll(): void {
    for (const page of [...this.#waiting]) this.#fail(page, lost());
  }

  #watchSilence(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const now = performance.now();
      for (const page of [...this.#waiting]) if (now - page.heardAt >= SILENCE_MS) this.#fail(page, lost());
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
