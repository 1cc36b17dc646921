import { headers as newHeaders } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import type { OwnStream } from "../jetstream/own-stream.ts";
import { isPassing, persist } from "../jetstream/persist.ts";
import { chunkId } from "./object-layout.ts";
import { StoreError } from "./store-error.ts";

/** Chunks on their way at once: enough to hide the way, little enough to keep in memory. */
const WINDOW = 64;

interface Sent {
  readonly index: number;
  readonly chunk: Uint8Array;
}

/**
 * Writes the chunks of one upload, many at once.
 *
 * 1. The order of the chunks is that of their sequences; a chunk that was overtaken makes the upload fail.
 * 2. A chunk whose acknowledgement was lost is sent again under the same id, which JetStream takes once; for that
 *    everything else waits, so that nothing overtakes it.
 */
export class PublishWindow {
  readonly #link: Link;
  readonly #stream: OwnStream;
  readonly #subject: string;
  readonly #id: string;
  readonly #sequences: number[] = [];
  readonly #failed: Sent[] = [];
  /** Told when a chunk was stored, was lost or was refused. */
  onLanding: () => void = () => undefined;
  #stored = 0;
  #flying = 0;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(parts: { link: Link; stream: OwnStream; subject: string; id: string }) {
    this.#link = parts.link;
    this.#stream = parts.stream;
    this.#subject = parts.subject;
    this.#id = parts.id;
  }

  /** The sequence of the first chunk. */
  get first(): number | undefined {
    return this.#sequences[0];
  }

  /** Chunks that are stored, all before them too. */
  get stored(): number {
    return this.#stored;
  }

  /** Whether something has to be sent again, or has failed. */
  get needsCare(): boolean {
    return this.#failed.length > 0 || this.#failure !== undefined;
  }

  /** A chunk that was there before. */
  found(index: number, sequence: number): void {
    this.#landed(index, sequence);
  }

  /** Sends again what was lost; throws what cannot be mended. */
  async catchUp(): Promise<void> {
    await this.#room(WINDOW - 1);
  }

  /** Sends as soon as there is room; throws what an earlier chunk failed with. */
  async send(index: number, chunk: Uint8Array): Promise<void> {
    while (this.#failed.length > 0 || this.#flying >= WINDOW) await this.#room(WINDOW - 1);
    if (this.#failure !== undefined) throw this.#failure;
    this.#fly({ index, chunk });
  }

  /** Resolves when everything is stored in order. */
  async finish(): Promise<void> {
    while (this.#flying > 0 || this.#failed.length > 0) await this.#room(0);
    if (this.#failure !== undefined) throw this.#failure;
    this.#sequences.forEach((sequence, index) => {
      if (index > 0 && sequence <= (this.#sequences[index - 1] ?? 0))
        throw new StoreError(
          "interrupted",
          "Parts of the upload arrived out of order while NATS was changing over. Nothing was stored; upload it again.",
        );
    });
  }

  /** Resolves when nothing is on its way any more, however it ended. */
  async settled(): Promise<void> {
    while (this.#flying > 0) await this.#landing();
  }

  #fly(sent: Sent): void {
    this.#flying += 1;
    void this.#store(sent)
      .then(
        (sequence) => this.#landed(sent.index, sequence),
        (error: unknown) => {
          if (isPassing(error)) this.#failed.push(sent);
          else this.#failure ??= error;
        },
      )
      .finally(() => {
        this.#flying -= 1;
        this.#wake?.();
        this.onLanding();
      });
  }

  /** Waits until at most this many are flying, and sends again what was lost. */
  async #room(most: number): Promise<void> {
    const limit = this.#failed.length > 0 ? 0 : most;
    while (this.#flying > limit && this.#failure === undefined) await this.#landing();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#flying > 0) return;
    const lost = this.#failed.splice(0).sort((a, b) => a.index - b.index);
    for (const sent of lost) {
      this.#landed(sent.index, await persist(this.#link, () => this.#store(sent)));
      this.onLanding();
    }
  }

  #landed(index: number, sequence: number): void {
    this.#sequences[index] = sequence;
    while (this.#sequences[this.#stored] !== undefined) this.#stored += 1;
  }

  #store({ index, chunk }: Sent): Promise<number> {
    const headers = newHeaders();
    headers.set("Nats-Msg-Id", chunkId(this.#id, index));
    return this.#stream.store(this.#subject, chunk, { headers });
  }

  #landing(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
