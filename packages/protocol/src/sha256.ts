import { sha256 as portable } from "@noble/hashes/sha2.js";

/**
 * A synchronous SHA-256. Pass a faster one where the platform has it (`node:crypto`): it is on the path of every
 * request. It must not keep the bytes it was given.
 */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** Works in every runtime; several times slower than a native one. */
export const portableSha256: Sha256 = (bytes) => portable(bytes);

/** A SHA-256 that is fed piece by piece. */
export interface Sha256Stream {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

/** Works in every runtime; several times slower than a native one. */
export const portableSha256Stream = (): Sha256Stream => portable.create();
