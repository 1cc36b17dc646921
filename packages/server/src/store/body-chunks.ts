import { StoreError } from "./store-error.ts";
import type { StoreBody } from "./store-types.ts";

/** Cuts a body into chunks of exactly this size, the last one excepted. A chunk is never written to again. */
export async function* bodyChunks(body: StoreBody, chunkBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (body instanceof Uint8Array) {
    for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
    return;
  }
  let chunk = new Uint8Array(chunkBytes);
  let filled = 0;
  for await (const piece of pieces(body)) {
    if (!(piece instanceof Uint8Array))
      throw new StoreError("body_failed", "The body gave something that is not bytes (a Uint8Array).");
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + chunkBytes - filled);
      chunk.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < chunkBytes) continue;
      yield chunk;
      chunk = new Uint8Array(chunkBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** Some runtimes have streams that cannot be iterated. */
async function* pieces(body: Exclude<StoreBody, Uint8Array>): AsyncGenerator<unknown, void, undefined> {
  if (!(body instanceof ReadableStream)) {
    try {
      yield* body;
    } catch (cause) {
      throw broken(cause);
    }
    return;
  }
  const reader = body.getReader();
  let finished = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    finished = true;
  } catch (cause) {
    finished = true;
    throw broken(cause);
  } finally {
    // Whoever makes the body hears that nobody wants the rest.
    if (!finished) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}

function broken(cause: unknown): StoreError {
  return new StoreError(
    "body_failed",
    `The body broke off: ${cause instanceof Error ? cause.message : String(cause)}. Nothing was stored.`,
    { cause },
  );
}
