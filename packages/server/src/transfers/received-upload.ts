import { encodeBase64url } from "@trellis/contracts";
import { TransferError } from "@trellis/protocol";
import type { TransferEnd } from "@trellis/protocol";
import type { ObjectUpload } from "../store/object-upload.ts";
import type { TransferTerms } from "../store/upload-records.ts";

/** Where an upload comes from at the moment: one open stream. */
export interface UploadLine {
  /** Everything up to `seq` is stored. */
  acknowledge(seq: number): void;
  /** What came after `seq` was not received. */
  askAgain(seq: number): void;
  stored(end: TransferEnd): void;
  refuse(error: TransferError): void;
  /** Whether its sender may go on at this instant. */
  mayGoOn(): boolean;
}

export interface ReceivedUploadOptions {
  readonly object: ObjectUpload;
  readonly terms: TransferTerms;
  readonly chunkBytes: number;
  /** Tells whoever waits for the file that it is stored, before the sender is told; or that it will not come. */
  readonly onSettled: () => Promise<unknown>;
  /** It is over: stored, or given up. */
  readonly onOver: () => void;
  /** Something went wrong that nobody foresaw. */
  readonly onTrouble: (error: unknown) => void;
}

/** An acknowledgement is sent for this many chunks, or for all that there are. */
const ACK_EVERY = 4;
/** A lost request to send again is repeated after this. */
const AGAIN_MS = 500;

/**
 * One upload as this replica receives it, over as many streams as it takes.
 *
 * 1. Chunks are taken in order; what comes twice is dropped, what is missing is asked for again.
 * 2. What is acknowledged is stored. What is not yet is at most what was granted.
 * 3. The object becomes visible only if size and SHA-256 are what the sender says, while the sender is there and may.
 */
export class ReceivedUpload {
  readonly #options: ReceivedUploadOptions;
  readonly #queue: Uint8Array[] = [];
  #line: UploadLine | undefined;
  #received: number;
  #acknowledged: number;
  #bytes: number;
  #short = false;
  #end: TransferEnd | undefined;
  #over = false;
  #wake: (() => void) | undefined;
  #askedAgainFor = -1;
  #askedAgainAt = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ReceivedUploadOptions) {
    const { object } = options;
    this.#options = options;
    this.#received = object.stored;
    this.#acknowledged = object.stored;
    this.#bytes = object.size;
    object.onStored = () => this.#landed();
    this.#live();
    void this.#work();
  }

  /** Chunks received in order. */
  get received(): number {
    return this.#received;
  }

  /** Goes on with this stream; the one there was has ended. */
  attach(line: UploadLine): void {
    this.#line?.refuse(new TransferError("taken"));
    this.#line = line;
    this.#end = undefined;
    // What was received and is not stored yet is stored soon; nothing is sent twice for it.
    line.acknowledge(this.#options.object.stored);
    this.poke();
  }

  /** The stream is gone; the upload waits for another. */
  detach(line: UploadLine): void {
    if (this.#line === line) this.#line = undefined;
  }

  take(seq: number, chunk: Uint8Array): void {
    if (this.#over || seq <= this.#received) return;
    if (seq > this.#received + 1) return this.behind();
    const { terms, chunkBytes } = this.#options;
    this.#bytes += chunk.length;
    if (this.#short || chunk.length > chunkBytes)
      return this.#fail(
        new TransferError("mismatch", { message: "The chunks are not cut as agreed. Nothing was stored." }),
      );
    if (terms.maxBytes !== undefined && this.#bytes > terms.maxBytes) return this.#fail(tooLarge(terms.maxBytes));
    this.#short = chunk.length < chunkBytes;
    this.#received = seq;
    this.#queue.push(chunk);
    this.#live();
    this.poke();
  }

  /** The sender says that there is nothing more. */
  finish(end: TransferEnd): void {
    if (this.#over) return;
    if (end.seq > this.#received) return this.behind();
    this.#end = end;
    this.#live();
    this.poke();
  }

  /** Something that was sent did not come. */
  behind(): void {
    const now = performance.now();
    if (this.#askedAgainFor === this.#received && now - this.#askedAgainAt < AGAIN_MS) return;
    this.#askedAgainFor = this.#received;
    this.#askedAgainAt = now;
    this.#line?.askAgain(this.#received);
  }

  /** Its sender wants no more of it. */
  cancel(): void {
    this.giveUp(new TransferError("cancelled"));
  }

  /** Nobody wants it any more. */
  giveUp(why: TransferError): void {
    this.#fail(why);
  }

  /** Something changed that it may have waited for. */
  poke(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Lets go of it, so that another replica can go on. */
  release(): void {
    if (this.#over) return;
    this.#end = undefined;
    this.#close();
  }

  async #work(): Promise<void> {
    const { object } = this.#options;
    try {
      while (!this.#over) {
        const chunk = this.#queue[0];
        if (chunk !== undefined) {
          await object.write(chunk);
          this.#queue.shift();
        } else if (object.needsCare) await object.catchUp();
        else if (this.#end !== undefined && this.#line?.mayGoOn() === true) return await this.#store(this.#end);
        else await this.#changed();
      }
    } catch (thrown) {
      this.#fail(this.#explain(thrown));
    }
  }

  async #store(end: TransferEnd): Promise<void> {
    const { object, onSettled, onTrouble } = this.#options;
    const sum = await object.sum();
    if (this.#over) return;
    if (end.seq !== this.#received || end.size !== sum.size || end.digest !== encodeBase64url(sum.digest)) {
      const message = "What arrived is not what was sent: size or SHA-256 differ. Nothing was stored.";
      return this.#fail(new TransferError("mismatch", { message }));
    }
    await object.finish(sum);
    // From here on it is stored, whatever happens to the telling.
    const line = this.#line;
    this.#close();
    await onSettled().catch(onTrouble);
    line?.stored(end);
  }

  #landed(): void {
    const { stored } = this.#options.object;
    if (stored - this.#acknowledged >= ACK_EVERY || (stored === this.#received && stored > this.#acknowledged)) {
      this.#acknowledged = stored;
      this.#line?.acknowledge(stored);
    }
    this.poke();
  }

  #explain(thrown: unknown): TransferError {
    try {
      const { code, message } = this.#options.object.failure(thrown);
      if (code === "object_too_large") return new TransferError("too_large", { message });
      if (code === "store_full" || code === "interrupted") return new TransferError(code, { message });
    } catch (bug) {
      this.#options.onTrouble(bug);
    }
    return new TransferError("interrupted");
  }

  #fail(error: TransferError): void {
    if (this.#over) return;
    const line = this.#line;
    this.#close();
    line?.refuse(error);
    const { object, onSettled, onTrouble } = this.#options;
    object.abandon().then(onSettled).catch(onTrouble);
  }

  #close(): void {
    this.#over = true;
    clearTimeout(this.#idle);
    this.#line = undefined;
    this.#queue.length = 0;
    this.poke();
    this.#options.onOver();
  }

  /** A sender that sends nothing for the life of its grant has left. */
  #live(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#fail(new TransferError("expired")), this.#options.terms.idleMs);
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

export function tooLarge(maxBytes: number): TransferError {
  return new TransferError("too_large", { message: `At most ${maxBytes} bytes are taken. Nothing was stored.` });
}
