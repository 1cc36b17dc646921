import type { TransferError, TransferInfo } from "@trellis/protocol";
import type { AsyncResult } from "@trellis/result";
import type { CallError } from "../call-error.ts";

/** How far a transfer has come. */
export interface TransferProgress {
  readonly bytes: number;
  /** Absent when nobody knows before it is done. */
  readonly totalBytes?: number;
}

export interface DownloadOptions {
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Ends the download; the service stops sending at once. */
  readonly signal?: AbortSignal;
  /** How long it may stand still, with the service or the connection gone, before it fails; 30 s unless said otherwise. */
  readonly patienceMs?: number;
}

/**
 * What an RPC that hands out a file answers. Nothing moves before it is read, and for some seconds it waits for that; each
 * reading begins at the first byte.
 */
export interface Download<Output> {
  /** The answer the contract describes. */
  readonly output: Output;
  /** Size and digest (base64url of the SHA-256), where they are known before. */
  readonly info: TransferInfo;
  readonly contentType: string | undefined;
  readonly metadata: { readonly [name: string]: string };
  /**
   * The bytes. The stream ends only when all of them came and have the size and SHA-256 the service says they have; until
   * that is known the last piece is held back, and otherwise the stream fails.
   */
  read(options?: DownloadOptions): ReadableStream<Uint8Array>;
  /** All of it in memory. */
  bytes(options?: DownloadOptions): AsyncResult<Uint8Array, TransferError | CallError>;
}
