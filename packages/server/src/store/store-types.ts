import type { Body } from "@trellis/client/internal";

/** What is known about an object without reading it. */
export interface StoredObject {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** `SHA-256=` and the digest in base64url. */
  readonly digest: string;
  readonly contentType: string | undefined;
  readonly metadata: { readonly [name: string]: string };
  /** When it was stored, by the clock of NATS. */
  readonly at: Date;
}

/** What an object is made from; a stream is read once, as fast as NATS takes it. */
export type StoreBody = Body;

/** How far a transfer has come. */
export interface StoreProgress {
  readonly bytes: number;
  /** Known for downloads and for bodies that are in memory. */
  readonly totalBytes: number | undefined;
}

export interface StorePutOptions {
  readonly contentType?: string;
  readonly metadata?: { readonly [name: string]: string };
  readonly onProgress?: (progress: StoreProgress) => void;
  /** Ends the upload and removes what was written. */
  readonly signal?: AbortSignal;
}

export interface StoreGetOptions {
  /** Bytes from `start` up to and without `end`; the digest is checked only when everything is read. */
  readonly range?: { readonly start: number; readonly end?: number };
  readonly onProgress?: (progress: StoreProgress) => void;
  readonly signal?: AbortSignal;
}

/** An object being read. */
export interface StoreDownload {
  readonly info: StoredObject;
  /** Fails with a `StoreError` when what arrives is not what was stored; its end means that it is. */
  readonly body: ReadableStream<Uint8Array>;
}

/** What a store is and holds. */
export interface StoreStatus {
  readonly bucket: string;
  readonly objects: number;
  readonly bytes: number;
  readonly maxTotalBytes: number | undefined;
  readonly maxObjectBytes: number | undefined;
}
