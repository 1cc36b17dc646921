import type { Delivery, Link, Puller } from "@trellis/client/internal";

/** The work of one priority. */
interface Lane {
  readonly puller: Puller;
  /** Handed to us and not begun. */
  readonly held: Map<Delivery, ReturnType<typeof setTimeout>>;
}

/** Opens the loop that takes from one consumer. */
type OpenPuller = (consumer: string, free: () => number, onDelivery: (delivery: Delivery) => void) => Puller;

/** A request that has brought nothing for so long says that nothing waits there. */
const SETTLED_MS = 10;
/** What cannot begin here for so long is given back: another replica may have room. */
const HOLD_MS = 1_000;
const GIVE_BACK = new TextEncoder().encode("-NAK");

/**
 * Takes from several consumers, the first one first.
 *
 * 1. Every consumer but the last has one request more open than there is room for: what is more important is here
 *    already when a place becomes free.
 * 2. Something begins only when the consumers before its own have nothing: their requests are open and bring nothing.
 */
export class PriorityIntake {
  readonly #lanes: readonly Lane[];
  readonly #link: Link;
  readonly #free: () => number;
  readonly #holdMs: number;
  readonly #begin: (delivery: Delivery) => void;
  #settling: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(
    consumers: readonly string[],
    open: OpenPuller,
    options: {
      readonly link: Link;
      readonly free: () => number;
      readonly ackWaitMs: number;
      readonly onDelivery: (delivery: Delivery) => void;
    },
  ) {
    this.#link = options.link;
    this.#free = options.free;
    this.#holdMs = Math.min(HOLD_MS, options.ackWaitMs / 3);
    this.#begin = options.onDelivery;
    const lanes: Lane[] = [];
    this.#lanes = lanes;
    for (const [at, consumer] of consumers.entries()) {
      const held: Lane["held"] = new Map();
      const ahead = at < consumers.length - 1 ? 1 : 0;
      const room = (): number => {
        const heldBefore = lanes.slice(0, at).reduce((sum, lane) => sum + lane.held.size, held.size);
        return Math.max(ahead, this.#free()) - heldBefore;
      };
      lanes.push({ held, puller: open(consumer, room, (delivery) => this.#hold(held, delivery)) });
    }
  }

  more(): void {
    if (this.#stopped) return;
    this.#next();
    for (const { puller } of this.#lanes) puller.more();
  }

  async stopGivingBack(): Promise<void> {
    this.#stop();
    await Promise.all(this.#lanes.map(({ puller }) => puller.stopGivingBack()));
  }

  close(): void {
    this.#stop();
    for (const { puller } of this.#lanes) puller.close();
  }

  #stop(): void {
    this.#stopped = true;
    clearTimeout(this.#settling);
    for (const { held } of this.#lanes) for (const delivery of held.keys()) this.#giveBack(held, delivery);
  }

  #hold(held: Lane["held"], delivery: Delivery): void {
    held.set(
      delivery,
      setTimeout(() => this.#giveBack(held, delivery), this.#holdMs),
    );
    this.#next();
  }

  /** Begins what may begin. */
  #next(): void {
    clearTimeout(this.#settling);
    while (this.#free() > 0 && !this.#stopped) {
      const at = this.#lanes.findIndex(({ held }) => held.size > 0);
      const lane = this.#lanes[at];
      if (lane === undefined) return;
      const unsettled = this.#lanes.slice(0, at).some(({ puller }) => puller.openForMs < SETTLED_MS);
      if (unsettled) {
        this.#settling = setTimeout(() => this.#next(), SETTLED_MS);
        return;
      }
      for (const [delivery, timer] of lane.held) {
        clearTimeout(timer);
        lane.held.delete(delivery);
        this.#begin(delivery);
        break;
      }
    }
  }

  #giveBack(held: Lane["held"], delivery: Delivery): void {
    clearTimeout(held.get(delivery));
    held.delete(delivery);
    try {
      this.#link.publish(delivery.reply, GIVE_BACK);
    } catch {
      // Unsaid, it comes again when its acknowledgement wait is over.
    }
    if (!this.#stopped) for (const { puller } of this.#lanes) puller.more();
  }
}
