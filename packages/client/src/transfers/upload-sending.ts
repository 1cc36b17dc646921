import { encodeBase64url } from "@trellis/contracts";
import {
  AuthError,
  encodeTransferFrame,
  encodeTransferOpening,
  HEADERS,
  isTransferControl,
  LIMITS,
  parseUploadFrame,
  TransferError,
  TransportError,
} from "@trellis/protocol";
import type { Sha256Stream, TransferEnd, TransferGrant, UploadFrame } from "@trellis/protocol";
import { headers as newHeaders } from "@nats-io/nats-core";
import { startClientSpan } from "@trellis/telemetry";
import { reconnectDelayMs } from "../reconnect-delay.ts";
import type { CallTransport } from "../rpc-call.ts";
import { StreamLine } from "../streams/stream-line.ts";
import type { StreamBasics } from "../streams/stream-line.ts";
import { BodyFailed, bodyChunks, bodySize } from "./body-chunks.ts";
import type { Body } from "./body-chunks.ts";
import type { TransferProgress } from "./download-types.ts";

export interface UploadOptions {
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Gives the upload up; the service removes what came of it. */
  readonly signal?: AbortSignal;
  /** How long it may stand still, with the service or the connection gone, before it fails; 30 s unless said otherwise. */
  readonly patienceMs?: number;
}

/** What was stored. */
export interface Uploaded {
  readonly size: number;
  /** Base64url of the SHA-256. */
  readonly digest: string;
}

export interface UploadTarget {
  /** The operation it belongs to. */
  readonly name: string;
  readonly grant: TransferGrant;
}

const PATIENCE_MS = 30_000;
/** A replica that NATS does not know is gone, and any other goes on; its last word may still be on its way. */
const LINE_PATIENCE_MS = 200;

type Told = Exclude<UploadFrame, StreamBasics>;

/**
 * One upload, over as many streams as it takes.
 *
 * 1. What is not known to be stored is kept and sent again when it got lost: at most as many chunks as the service granted.
 * 2. It is done when the service has stored exactly the bytes that were read from the body.
 */
export class UploadSending {
  /** Resolves when everything is stored; rejects with why not. */
  readonly done: Promise<Uploaded>;
  readonly #transport: CallTransport;
  readonly #target: UploadTarget;
  readonly #options: UploadOptions;
  readonly #hash: Sha256Stream;
  readonly #chunks: AsyncGenerator<Uint8Array, void, undefined>;
  readonly #totalBytes: number | undefined;
  readonly #settle = Promise.withResolvers<Uploaded>();
  readonly #onAbort = (): void => this.#cancel();
  readonly #kept = new Map<number, Uint8Array>();
  #line: StreamLine<Told> | undefined;
  /** Set when the service has said where to begin on this line. */
  #going = false;
  /** Chunks read from the body. */
  #read = 0;
  #bytes = 0;
  #storedChunks = 0;
  #next = 1;
  #upTo = 0;
  #end: TransferEnd | undefined;
  /** Whether the end was sent on this line, after everything before it. */
  #endTold = false;
  #filling = false;
  /** What the service says is stored. */
  #before: Uploaded | undefined;
  #over = false;
  #attempt = 0;
  #stuckSince = performance.now();
  #clockMended = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(
    transport: CallTransport,
    target: UploadTarget,
    body: Body,
    newHash: () => Sha256Stream,
    options: UploadOptions = {},
  ) {
    this.#transport = transport;
    this.#target = target;
    this.#options = options;
    this.#hash = newHash();
    this.#chunks = bodyChunks(body, target.grant.chunkBytes);
    this.#totalBytes = bodySize(body);
    this.done = this.#settle.promise;
    const { signal } = options;
    const { maxBytes } = target.grant;
    if (signal?.aborted === true) this.#cancel();
    else if (maxBytes !== undefined && this.#totalBytes !== undefined && this.#totalBytes > maxBytes)
      this.#fail(tooLarge(target.name, maxBytes));
    else {
      signal?.addEventListener("abort", this.#onAbort, { once: true });
      this.#open();
    }
  }

  #open(): void {
    const { name, grant } = this.#target;
    const { subject, service } = grant;
    this.#going = false;
    const line = new StreamLine<Told>(
      this.#transport,
      {
        what: `the upload of ${name}`,
        subject,
        payload: encodeTransferOpening({
          after: this.#storedChunks,
          ...(this.#totalBytes === undefined ? {} : { size: this.#totalBytes }),
        }),
        timeoutMs: LIMITS.defaultDeadlineMs,
        patienceMs: LINE_PATIENCE_MS,
        outlivesLoss: true,
        isControl: (control) => isTransferControl(service, control),
        extend: (headers) => startClientSpan({ name, surface: "transfer" }, headers).end(),
      },
      {
        read: ({ data }) => parseUploadFrame(data),
        onReady: () => undefined,
        onTold: (told) => this.#told(told),
        // The service waits for something: it may have been the end that got lost.
        onHeartbeat: () => {
          this.#endTold = false;
          this.#flush();
        },
        place: () => this.#next - 1,
        onOver: (error) => {
          if (this.#line === line && this.#before === undefined) this.#lost(error ?? new TransportError("stream_lost"));
        },
      },
    );
    this.#line = line;
  }

  #told(told: Told): void {
    this.#stuckSince = performance.now();
    switch (told.type) {
      case "ack":
        return this.#acknowledged(told.seq, told.upTo);
      case "again":
        if (told.seq < this.#storedChunks || told.seq >= this.#next) return;
        this.#next = told.seq + 1;
        this.#endTold = false;
        return this.#flush();
      case "stored":
        return this.#stored(told);
    }
  }

  #acknowledged(seq: number, upTo: number): void {
    if (seq > this.#read || (!this.#going && seq < this.#storedChunks))
      return this.#fail(new TransferError("interrupted"));
    this.#attempt = 0;
    this.#clockMended = false;
    for (let at = this.#storedChunks + 1; at <= seq; at += 1) this.#kept.delete(at);
    const grown = seq > this.#storedChunks;
    this.#storedChunks = Math.max(seq, this.#storedChunks);
    if (!this.#going) {
      this.#going = true;
      this.#endTold = false;
      this.#next = seq + 1;
    }
    this.#upTo = Math.min(upTo, seq + LIMITS.maxTransferCredits);
    if (grown) this.#progress();
    this.#flush();
    void this.#fill();
  }

  /** Sends what was read and may be sent. */
  #flush(): void {
    const line = this.#line;
    if (!this.#going || line === undefined) return;
    while (this.#next <= Math.min(this.#read, this.#upTo)) {
      const chunk = this.#kept.get(this.#next);
      if (chunk === undefined) return this.#fail(new TransferError("interrupted"));
      const headers = newHeaders();
      headers.set(HEADERS.transferSeq, String(this.#next));
      this.#next += 1;
      line.tell(chunk, headers);
    }
    if (this.#end === undefined || this.#next <= this.#end.seq || this.#endTold) return;
    this.#endTold = true;
    line.tell(encodeTransferFrame(this.#end));
  }

  /** Reads as much of the body as may be sent. */
  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    try {
      while (!this.#over && this.#end === undefined && (this.#before !== undefined || this.#read < this.#upTo)) {
        const step = await this.#chunks.next();
        if (step.done === true) {
          const digest = encodeBase64url(this.#hash.digest());
          this.#end = { type: "end", seq: this.#read, size: this.#bytes, digest };
        } else {
          this.#hash.update(step.value);
          this.#read += 1;
          this.#bytes += step.value.length;
          if (this.#before === undefined) this.#kept.set(this.#read, step.value);
          const { maxBytes } = this.#target.grant;
          if (maxBytes !== undefined && this.#bytes > maxBytes)
            return this.#fail(tooLarge(this.#target.name, maxBytes));
        }
        this.#flush();
      }
      if (this.#before !== undefined && this.#end !== undefined) this.#compare(this.#before);
    } catch (thrown) {
      if (!(thrown instanceof BodyFailed)) throw thrown;
      this.#fail(
        new TransferError("source_failed", {
          message: `What was to be uploaded broke off: ${thrown.message}. Nothing was stored.`,
        }),
      );
    } finally {
      this.#filling = false;
    }
  }

  #stored(stored: Uploaded): void {
    this.#line?.end(undefined);
    this.#line = undefined;
    this.#going = false;
    // It was stored before, and is asked for by its key: the rest of the body is read to see whether it is the same.
    this.#before = stored;
    if (this.#end === undefined) void this.#fill();
    else this.#compare(stored);
  }

  #compare({ size, digest }: Uploaded): void {
    const { name } = this.#target;
    if (this.#over) return;
    if (this.#end === undefined || size !== this.#end.size || digest !== this.#end.digest)
      return this.#fail(
        new TransferError("mismatch", {
          message: `What was stored for ${name} is not what was sent: size or SHA-256 differ.`,
        }),
      );
    this.#storedChunks = this.#end.seq;
    this.#progress();
    this.#finish();
    this.#settle.resolve({ size, digest });
  }

  #progress(): void {
    const { chunkBytes } = this.#target.grant;
    this.#options.onProgress?.({
      bytes: Math.min(this.#storedChunks * chunkBytes, this.#bytes),
      ...(this.#totalBytes === undefined ? {} : { totalBytes: this.#totalBytes }),
    });
  }

  #lost(error: Error): void {
    this.#line = undefined;
    this.#going = false;
    if (this.#over) return;
    const { refresh } = this.#transport;
    if (
      error instanceof AuthError &&
      error.reason === "iat_out_of_range" &&
      refresh !== undefined &&
      !this.#clockMended
    ) {
      // Refused for the time of signing: once the clock is right, a new signature will do.
      this.#clockMended = true;
      void refresh.call(this.#transport).then(() => this.#again());
      return;
    }
    const { patienceMs = PATIENCE_MS } = this.#options;
    const isPassing = (error instanceof TransportError || error instanceof TransferError) && error.retryable;
    if (!isPassing || performance.now() - this.#stuckSince > patienceMs) return this.#fail(error);
    this.#again();
  }

  #again(): void {
    if (this.#over) return;
    this.#retry = setTimeout(() => this.#open(), reconnectDelayMs(this.#attempt));
    this.#attempt += 1;
  }

  #cancel(): void {
    const reason: unknown = this.#options.signal?.reason;
    this.#fail(new TransferError("cancelled", reason instanceof Error ? { message: reason.message } : {}));
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#finish();
    // Whatever came of it is of no use any more.
    this.#line?.cancel();
    this.#settle.reject(error);
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#retry);
    this.#kept.clear();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    // Whoever makes the body hears that nobody wants the rest; one that is being waited for ends when it gives something.
    void this.#chunks.return().catch(() => undefined);
  }
}

function tooLarge(name: string, maxBytes: number): TransferError {
  return new TransferError("too_large", {
    message: `${name} takes ${maxBytes} bytes at most, and this is more. Nothing was stored.`,
  });
}
