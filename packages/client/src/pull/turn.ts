import type { LinkMessage } from "../link.ts";
import { headerValues } from "../received-message.ts";

/** A consumer that serves one replica at a time. */
export interface PinnedOptions {
  /** The priority group of the consumer. */
  readonly group: string;
  /** How long a reconnected replica that holds nothing leaves the others the first turn. */
  readonly standBackMs: number;
  /** Whether this replica has something in hand. */
  readonly holds: () => boolean;
  /** It is this replica's turn now: what comes next may have been in other hands. */
  readonly onTurn: () => void;
  /** It is another replica's turn: what this one has in hand is not its own any more. */
  readonly onLost: () => void;
}

/**
 * Whose turn it is, as this replica knows it. With the first message of a turn comes an id; requests carry it until the server
 * says that it is somebody else's turn.
 */
export class Turn {
  readonly #options: PinnedOptions;
  #id: string | undefined;
  #startedAnew = false;

  constructor(options: PinnedOptions) {
    this.#options = options;
  }

  get ours(): boolean {
    return this.#id !== undefined;
  }

  /** Something is in hand, and nobody would know that it is not another's turn: the next message must come here. */
  get missing(): boolean {
    return !this.ours && this.#options.holds();
  }

  /** What a request says of it. */
  get fields(): { readonly group: string; readonly id?: string } {
    const { group } = this.#options;
    return this.#id === undefined ? { group } : { group, id: this.#id };
  }

  /** A consumer that was started anew knows of no turns: whoever has something in hand must be first. */
  get standBackMs(): number {
    return this.ours || this.#options.holds() ? 0 : this.#options.standBackMs;
  }

  /** A message of the consumer came. */
  note(message: LinkMessage): void {
    // The server writes its own behind whatever the publisher of the message wrote.
    const id = headerValues(message, "Nats-Pin-Id").at(-1) ?? "";
    if (id === "") return;
    this.#startedAnew = false;
    if (id === this.#id) return;
    this.#id = id;
    this.#options.onTurn();
  }

  /** Since something came the consumer may have been started anew: not to know our turn does not make it another's then. */
  startedAnew(): void {
    this.#startedAnew = true;
  }

  /** The server does not know our turn: we ask as one of those who wait. */
  over(): void {
    this.#id = undefined;
    if (!this.#startedAnew) this.#options.onLost();
  }

  leave(): void {
    this.#id = undefined;
  }
}
