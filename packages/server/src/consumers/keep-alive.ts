import type { Link } from "@trellis/client/internal";
import type { HeldAttempt, HeldEvent } from "./held-event.ts";

export interface KeepAliveOptions {
  readonly link: Link;
  readonly ackWaitMs: number;
  readonly everyMs: number;
  /** How long a handler may take before its attempt counts as failed. */
  readonly handlerMs: number;
  readonly held: ReadonlyMap<number, HeldEvent>;
  readonly onAwake: (now: number) => void;
  /** Some of what is in hand was not said to be alive for an ack wait. */
  readonly onAway: (reason: string) => void;
  readonly onOvertime: (held: HeldEvent, attempt: HeldAttempt) => void;
}

const WORKING = new TextEncoder().encode("+WPI");

/** Tells JetStream of everything in hand that it is alive, and ends the attempts that take too long. */
export class KeepAlive {
  readonly #options: KeepAliveOptions;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), options.everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { link, ackWaitMs, handlerMs, held: all, onAwake, onAway, onOvertime } = this.#options;
    const now = performance.now();
    onAwake(now);
    if (link.state !== "connected") return;
    if ([...all.values()].some((held) => now - held.aliveAt > ackWaitMs))
      return onAway("Another replica may have this event: the connection was away for too long.");
    for (const held of all.values()) {
      const { attempt } = held;
      if (attempt !== undefined && now - attempt.startedAt > handlerMs) onOvertime(held, attempt);
      if (held.lost) continue;
      held.aliveAt = now;
      try {
        link.publish(held.delivery.reply, WORKING);
      } catch {
        // Unsaid, the event comes again when its ack wait is over.
      }
    }
  }
}
