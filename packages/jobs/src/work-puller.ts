import { pause } from "@trellis/client/internal";
import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import type { ConsumerBinding } from "@trellis/contracts";

/** One work item as JetStream handed it out. */
export interface WorkDelivery {
  /** Where it is acknowledged. */
  readonly reply: string;
  /** The sequence of its record in the job stream; 0 when the server does not say. */
  readonly recordSequence: number;
  readonly data: Uint8Array;
}

export interface WorkPullerOptions {
  readonly link: Link;
  readonly binding: ConsumerBinding;
  /** Jobs this worker could begin now. */
  readonly free: () => number;
  /** Asks when at least this many could begin, unless a moment has passed: one request for several is cheaper. */
  readonly enough: number;
  readonly onDelivery: (delivery: WorkDelivery) => void;
  /** What keeps work from coming, once each time it changes. */
  readonly onTrouble: (why: string) => void;
}

/** Short, so that a worker that died leaves no request behind that takes work away from the living. */
const EXPIRES_MS = 1_500;
const GRACE_MS = 1_000;
const GATHER_MS = 2;
const LONGEST_PAUSE_MS = 5_000;
const NS_PER_MS = 1_000_000;
const encoder = new TextEncoder();
const GIVE_BACK = encoder.encode("-NAK");

/**
 * Keeps at most one request for work open, for as many jobs as the worker could begin: nothing is taken that would
 * have to wait here while another worker is free.
 */
export class WorkPuller {
  readonly #options: WorkPullerOptions;
  readonly #ask: string;
  readonly #subject: string;
  readonly #subscription: LinkSubscription;
  readonly #stopState: () => void;
  readonly #stopped = new AbortController();
  /** Settled, once the worker stops, when no request is open. */
  readonly #requestOver = Promise.withResolvers<void>();
  #left = 0;
  #failures = 0;
  #resting = false;
  #told = "";
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #gather: ReturnType<typeof setTimeout> | undefined;

  constructor(options: WorkPullerOptions) {
    this.#options = options;
    const { link, binding } = options;
    this.#ask = `$JS.API.CONSUMER.MSG.NEXT.${binding.stream}.${binding.consumer}`;
    const { subject, subscription } = link.openPull((message) => this.#receive(message));
    this.#subject = subject;
    this.#subscription = subscription;
    let away = link.state !== "connected";
    this.#stopState = link.onState((state) => {
      if (state === "reconnecting") away = true;
      else if (state === "connected" && away) {
        away = false;
        this.#over();
      }
    });
    this.more();
  }

  /** A job ended: perhaps there is room for more. */
  more(): void {
    if (this.#left > 0 || this.#resting || this.#stopped.signal.aborted) return;
    if (this.#options.free() >= this.#options.enough) return this.#pull();
    this.#gather ??= setTimeout(() => {
      this.#gather = undefined;
      if (this.#left === 0 && !this.#resting) this.#pull();
    }, GATHER_MS);
  }

  /**
   * Asks for nothing more. The open request cannot be taken back: until it is over, what still comes is given back at
   * once, otherwise it would be nobody's until the acknowledgement wait has passed.
   */
  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    clearTimeout(this.#gather);
    if (this.#left > 0 && this.#options.link.state === "connected") await this.#requestOver.promise;
    this.close();
  }

  /** Hears nothing more. */
  close(): void {
    this.#stopped.abort();
    this.#stopState();
    clearTimeout(this.#expiry);
    clearTimeout(this.#gather);
    this.#requestOver.resolve();
    this.#subscription.close();
  }

  #pull(): void {
    const { link, free } = this.#options;
    const batch = free();
    if (batch <= 0 || this.#stopped.signal.aborted || link.state !== "connected") return;
    clearTimeout(this.#expiry);
    this.#left = batch;
    this.#expiry = setTimeout(() => this.#over(), EXPIRES_MS + GRACE_MS);
    try {
      link.publish(this.#ask, encoder.encode(JSON.stringify({ batch, expires: EXPIRES_MS * NS_PER_MS })), {
        reply: this.#subject,
      });
    } catch {
      // The connection has just gone; its return, or the timer, asks again.
    }
  }

  /** The open request is no more. */
  #over(): void {
    clearTimeout(this.#expiry);
    this.#left = 0;
    if (this.#stopped.signal.aborted) this.#requestOver.resolve();
    else this.#pull();
  }

  #receive(message: LinkMessage): void {
    const { reply } = message;
    if (reply === undefined || !reply.startsWith("$JS.ACK.")) return this.#status(message);
    this.#failures = 0;
    this.#told = "";
    if (this.#left > 0) this.#left -= 1;
    if (this.#stopped.signal.aborted) {
      this.#options.link.publish(reply, GIVE_BACK);
      if (this.#left === 0) this.#over();
      return;
    }
    this.#options.onDelivery({ reply, recordSequence: sourceSequence(message), data: message.data });
    this.more();
  }

  /** The end of a request; 408 is the usual one. */
  #status({ headers }: LinkMessage): void {
    const code = headers?.code ?? 0;
    if (code === 100 || code === 0) return;
    if (code === 408 || this.#stopped.signal.aborted) {
      this.#failures = 0;
      return this.#over();
    }
    const why = code === 503 ? "no stream or consumer answers" : (headers?.description ?? `status ${code}`);
    if (why !== this.#told) this.#options.onTrouble(why);
    this.#told = why;
    this.#failures += 1;
    void this.#rest(Math.min(LONGEST_PAUSE_MS, 50 * 2 ** Math.min(this.#failures, 10)));
  }

  async #rest(ms: number): Promise<void> {
    clearTimeout(this.#expiry);
    this.#left = 0;
    this.#resting = true;
    await pause(ms, this.#stopped.signal);
    this.#resting = false;
    this.#over();
  }
}

/** `Nats-Stream-Source: <stream> <sequence> …` */
function sourceSequence({ headers }: LinkMessage): number {
  const sequence = Number(headers?.get("Nats-Stream-Source").split(" ")[1]);
  return Number.isSafeInteger(sequence) ? sequence : 0;
}
