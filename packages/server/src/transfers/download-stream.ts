import { BodyFailed, bodyChunks } from "@trellis/client/internal";
import type { LinkMessage } from "@trellis/client/internal";
import { headers as newHeaders } from "@nats-io/nats-core";
import { encodeBase64url } from "@trellis/contracts";
import {
  boundGrant,
  encodeStreamFrame,
  encodeTransferFrame,
  HEADERS,
  parseStreamControl,
  TransferError,
} from "@trellis/protocol";
import type { Sha256Stream, TransferEnd, TransferGrant } from "@trellis/protocol";
import { StoreError } from "../store/store-error.ts";
import { ServedStream } from "../streams/served-stream.ts";
import type { StreamHost, StreamOpening } from "../streams/served-stream.ts";
import type { TransferSource } from "./transfer-source.ts";

export interface OpenedDownload extends StreamOpening {
  readonly grant: TransferGrant;
  readonly source: TransferSource;
  /** Chunks that the receiver has. */
  readonly after: number;
  /** Chunks that may be sent before it grants more. */
  readonly credits: number;
  readonly newHash: () => Sha256Stream;
  /** The receiver has everything, and has compared it. */
  readonly onReceived: () => void;
}

/**
 * One download on its way.
 *
 * 1. A chunk is taken from the source only when the receiver has room for it and may have it.
 * 2. The end carries the digest of the whole transfer: of what the source promised, or of what was sent. A source without
 *    a digest is read from its beginning, however much of it the receiver has.
 * 3. After the end it stays open until the receiver says that it has everything.
 */
export class DownloadStream extends ServedStream {
  readonly #opened: OpenedDownload;
  #grant: number;
  #seq: number;
  #ended = false;

  constructor(opened: OpenedDownload, host: StreamHost) {
    super(opened, host);
    this.#opened = opened;
    this.#seq = opened.after;
    this.#grant = opened.after + opened.credits;
  }

  override get place(): number {
    return this.#seq;
  }

  /** Whether the receiver can go on with another replica, or later. */
  get restarts(): boolean {
    return this.#opened.source.restarts;
  }

  async run(heartbeatMs: number): Promise<void> {
    const { credits } = this.#opened;
    try {
      this.tell(encodeStreamFrame({ type: "ready", control: this.control, credits, heartbeatMs }));
      const end = await this.#send();
      if (this.over) return;
      this.#ended = true;
      this.tell(encodeTransferFrame(end));
      while (!this.over) await this.changed();
    } catch (thrown) {
      this.#sourceFailed(thrown);
    } finally {
      this.host.onSettled(this);
    }
  }

  override hear(message: LinkMessage): boolean {
    const control = parseStreamControl(message.data);
    if (control === undefined) return false;
    switch (control.type) {
      case "credits": {
        const upTo = boundGrant(control.upTo, this.#seq);
        if (upTo > this.#grant) {
          this.#grant = upTo;
          this.poke();
        }
        return true;
      }
      case "cancel":
        if (this.#ended) this.#opened.onReceived();
        this.leave();
        return true;
      case "heartbeat":
        // The receiver is behind: it learns what it should have.
        if (control.seq < this.#seq) this.heartbeat(false);
        return true;
    }
  }

  async #send(): Promise<TransferEnd> {
    const { grant, source, after, newHash } = this.#opened;
    const { chunkBytes } = grant;
    const { size: promised, digest } = source.info;
    const hash = digest === undefined ? newHash() : undefined;
    const from = hash === undefined ? after : 0;
    let size = from * chunkBytes;
    let seq = from;
    const body = await source.open(size, this.signal);
    for await (const chunk of bodyChunks(body, chunkBytes, { passOn: true })) {
      seq += 1;
      size += chunk.length;
      hash?.update(chunk);
      if (promised !== undefined && size > promised) break;
      if (seq <= after) continue;
      while (!this.#maySend()) await this.changed();
      if (this.over) break;
      this.#seq = seq;
      const headers = newHeaders();
      headers.set(HEADERS.transferSeq, String(seq));
      this.tell(chunk, headers);
    }
    if (!this.over && promised !== undefined && size !== promised)
      throw new TransferError("source_failed", {
        message: `There were to be ${promised} bytes, and there are ${size > promised ? "more" : size}.`,
      });
    return { type: "end", seq, size, digest: digest ?? encodeBase64url((hash ?? newHash()).digest()) };
  }

  #maySend(): boolean {
    return this.over || (this.#seq < this.#grant && this.mayGoOn());
  }

  #sourceFailed(thrown: unknown): void {
    if (this.over) return;
    const cause = thrown instanceof BodyFailed ? thrown.cause : thrown;
    if (cause instanceof TransferError) return this.refuse(cause);
    if (cause instanceof StoreError && cause.code === "changed") return this.refuse(new TransferError("changed"));
    if (cause instanceof StoreError && cause.code === "unavailable")
      return this.refuse(new TransferError("unavailable"));
    this.log.error("The source of a download failed.", { error: cause });
    this.refuse(new TransferError("source_failed"));
  }
}
