import type { TrellisError } from "@trellis/contracts";
import { encodeBase64url } from "@trellis/contracts";
import {
  AuthError,
  encodeTransferOpening,
  HEADERS,
  isTransferControl,
  LIMITS,
  parseDownloadFrame,
  TransferError,
  TransportError,
} from "@trellis/protocol";
import type { Chunk, Sha256Stream, TransferEnd, TransferGrant } from "@trellis/protocol";
import type { Result } from "@trellis/result";
import { startClientSpan } from "@trellis/telemetry";
import { reconnectDelayMs } from "../reconnect-delay.ts";
import type { CallTransport } from "../rpc-call.ts";
import { CreditWindow } from "../streams/credit-window.ts";
import { StreamReader } from "../streams/stream-reader.ts";
import type { DownloadOptions } from "./download-types.ts";

export interface DownloadSource {
  /** The RPC that granted it. */
  readonly name: string;
  readonly grant: TransferGrant;
  /** Whether the grant was read with before: then another is asked for at once. */
  readonly used: boolean;
  /** Asks for the same file again: the replica that granted it may be gone. */
  readonly askAgain: () => Promise<Result<TransferGrant, TrellisError>>;
}

/** A stream whose replica NATS does not know is lost at once: opening it again costs little. */
const LINE_PATIENCE_MS = 0;
const PATIENCE_MS = 30_000;
/** After these the grant is as good as it was. */
const STILL_GRANTED: ReadonlySet<string> = new Set(["stream_lost", "disconnected", "overloaded"]);

/**
 * One reading of a download, over as many streams and grants as it takes.
 *
 * 1. Chunks come in order and without a gap, or the reading goes on after the last one that did.
 * 2. The last bytes are handed out only when size and digest of everything are what the service says they are.
 * 3. Another grant is gone on with only if it is of the same bytes; without a digest only from the beginning.
 */
export class DownloadReading {
  readonly #transport: CallTransport;
  readonly #source: DownloadSource;
  readonly #options: DownloadOptions;
  readonly #hash: Sha256Stream;
  readonly #onAbort = (): void => this.#fail(cancelled(this.#options.signal));
  #grant: TransferGrant;
  #stream: StreamReader<Chunk, TransferEnd> | undefined;
  #window: CreditWindow | undefined;
  /** Chunks received before the present stream. */
  #before = 0;
  /** Chunks received in order. */
  #chunks = 0;
  #bytes = 0;
  #short = false;
  #queue: Uint8Array[] = [];
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #wanted: (() => void) | undefined;
  #state: "new" | "open" | "complete" | "over" = "new";
  #attempt = 0;
  #stuckSince = 0;
  #clockMended = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(
    transport: CallTransport,
    source: DownloadSource,
    newHash: () => Sha256Stream,
    options: DownloadOptions = {},
  ) {
    this.#transport = transport;
    this.#source = source;
    this.#grant = source.grant;
    this.#hash = newHash();
    this.#options = options;
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => this.#pull(),
        cancel: () => this.#leave(),
      },
      { highWaterMark: 0 },
    );
  }

  #pull(): Promise<void> {
    if (this.#state === "new") this.#begin();
    if (this.#handOut()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wanted = resolve;
    });
  }

  /** Hands out one chunk if one may be; the last one waits for the end. */
  #handOut(): boolean {
    if (this.#state === "over") return true;
    const complete = this.#state === "complete";
    if (this.#queue.length < (complete ? 1 : 2)) {
      if (!complete) return false;
      this.#state = "over";
      this.#controller?.close();
      return true;
    }
    const chunk = this.#queue.shift();
    if (chunk === undefined) return false;
    this.#controller?.enqueue(chunk);
    const upTo = this.#window?.consumed(this.#queue.length);
    if (upTo !== undefined) this.#stream?.grant(this.#before + upTo);
    return true;
  }

  #wake(): void {
    if (this.#wanted === undefined || !this.#handOut()) return;
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted();
  }

  #begin(): void {
    this.#state = "open";
    const { signal } = this.#options;
    if (signal?.aborted === true) return this.#fail(cancelled(signal));
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#stuckSince = performance.now();
    if (this.#source.used) void this.#openAnother();
    else this.#open();
  }

  #open(): void {
    const { name } = this.#source;
    const { subject, service } = this.#grant;
    this.#before = this.#chunks;
    this.#stream = new StreamReader<Chunk, TransferEnd>(
      this.#transport,
      {
        what: `the download of ${name}`,
        subject,
        payload: encodeTransferOpening({ after: this.#chunks }),
        timeoutMs: LIMITS.defaultDeadlineMs,
        patienceMs: LINE_PATIENCE_MS,
        isControl: (control) => isTransferControl(service, control),
        confirmsEnd: true,
        extend: (headers) => startClientSpan({ name, surface: "transfer" }, headers).end(),
      },
      {
        read: ({ data, headers }) =>
          parseDownloadFrame(
            data,
            headers?.has(HEADERS.transferSeq) === true ? headers.get(HEADERS.transferSeq) : undefined,
          ),
        onReady: (credits) => {
          this.#window = new CreditWindow(credits);
        },
        onFrame: (chunk) => this.#receive(chunk),
        onOver: (outcome) => {
          this.#stream = undefined;
          this.#window = undefined;
          if ("error" in outcome) this.#lost(outcome.error);
          else this.#complete(outcome.end);
        },
      },
      this.#chunks,
    );
  }

  #receive({ seq, data }: Chunk): void {
    const { chunkBytes, info } = this.#grant;
    this.#chunks = seq;
    this.#bytes += data.length;
    this.#attempt = 0;
    this.#clockMended = false;
    this.#stuckSince = performance.now();
    if (this.#short || data.length > chunkBytes || (info?.size !== undefined && this.#bytes > info.size))
      return this.#fail(
        new TransferError("mismatch", { message: `The bytes of ${this.#source.name} are not cut as agreed.` }),
      );
    this.#short = data.length < chunkBytes;
    this.#hash.update(data);
    this.#window?.received(data.length);
    this.#queue.push(data);
    this.#options.onProgress?.({
      bytes: this.#bytes,
      ...(info?.size === undefined ? {} : { totalBytes: info.size }),
    });
    this.#wake();
  }

  #complete({ size, digest }: TransferEnd): void {
    if (this.#state !== "open") return;
    const { info } = this.#grant;
    const received = encodeBase64url(this.#hash.digest());
    if (size !== this.#bytes || digest !== received || (info?.digest !== undefined && info.digest !== received))
      return this.#fail(
        new TransferError("mismatch", {
          message: `${this.#bytes} bytes of ${this.#source.name} came, and they are not the ${size} that were sent: size or SHA-256 differ.`,
        }),
      );
    this.#state = "complete";
    this.#forget();
    this.#wake();
  }

  #lost(error: Error): void {
    if (this.#state !== "open") return;
    const { refresh } = this.#transport;
    if (
      error instanceof AuthError &&
      error.reason === "iat_out_of_range" &&
      refresh !== undefined &&
      !this.#clockMended
    ) {
      // Refused for the time of signing: once the clock is right, a new signature will do.
      this.#clockMended = true;
      void refresh.call(this.#transport).then(() => this.#again(false));
      return;
    }
    const isPassing = (error instanceof TransportError || error instanceof TransferError) && error.retryable;
    const isUnknown = error instanceof TransferError && error.code === "unknown_transfer";
    const { patienceMs = PATIENCE_MS } = this.#options;
    if ((!isPassing && !isUnknown) || performance.now() - this.#stuckSince > patienceMs) return this.#fail(error);
    // The replica is there, and only the way to it was lost: it still knows the grant.
    this.#again(error instanceof TransportError && STILL_GRANTED.has(error.code));
  }

  #again(sameGrant: boolean): void {
    if (this.#state !== "open") return;
    this.#retry = setTimeout(() => {
      if (sameGrant) this.#open();
      else void this.#openAnother();
    }, reconnectDelayMs(this.#attempt));
    this.#attempt += 1;
  }

  async #openAnother(): Promise<void> {
    const asked = await this.#source.askAgain();
    if (this.#state !== "open") return;
    if (!asked.ok) return this.#lost(asked.error);
    const { info, chunkBytes } = this.#grant;
    const next = asked.value;
    const isSame =
      info?.digest !== undefined &&
      info.digest === next.info?.digest &&
      info.size === next.info.size &&
      chunkBytes === next.chunkBytes;
    if (this.#chunks > 0 && !isSame)
      return this.#fail(new TransferError(info?.digest === undefined ? "interrupted" : "changed"));
    this.#grant = next;
    this.#open();
  }

  #fail(error: Error): void {
    if (this.#state === "over" || this.#state === "complete") return;
    this.#state = "over";
    this.#queue = [];
    this.#stream?.cancel();
    this.#forget();
    this.#controller?.error(error);
    this.#wanted?.();
    this.#wanted = undefined;
  }

  #leave(): void {
    this.#state = "over";
    this.#queue = [];
    this.#stream?.cancel();
    this.#forget();
  }

  #forget(): void {
    clearTimeout(this.#retry);
    this.#stream = undefined;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
  }
}

function cancelled(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return new TransferError("cancelled", reason instanceof Error ? { message: reason.message } : {});
}
