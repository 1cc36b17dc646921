/** What bytes are taken from; a stream is read once, as fast as they are wanted. */
export type Body = Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** The body broke off, or gave something that is not bytes: whoever made it knows why. */
export class BodyFailed extends Error {
  override readonly name = "BodyFailed";

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

export interface ChunkOptions {
  /** Whole pieces are handed on as they came instead of being copied: only for a body that never writes to them again. */
  readonly passOn?: boolean;
}

/** Cuts a body into chunks of exactly this size, the last one excepted. A chunk is never written to again. */
export async function* bodyChunks(
  body: Body,
  chunkBytes: number,
  { passOn = false }: ChunkOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  if (body instanceof Uint8Array) {
    for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
    return;
  }
  let chunk: Uint8Array | undefined;
  let filled = 0;
  for await (const piece of pieces(body)) {
    if (!(piece instanceof Uint8Array)) throw new BodyFailed("it gave something that is not bytes (a Uint8Array)");
    if (passOn && filled === 0 && piece.length === chunkBytes) {
      yield piece;
      continue;
    }
    for (let at = 0; at < piece.length;) {
      chunk ??= new Uint8Array(chunkBytes);
      const part = piece.subarray(at, at + chunkBytes - filled);
      chunk.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < chunkBytes) continue;
      yield chunk;
      chunk = undefined;
      filled = 0;
    }
  }
  if (chunk !== undefined && filled > 0) yield chunk.subarray(0, filled);
}

/** The size of a body, when it can be known before it is read. */
export function bodySize(body: Body): number | undefined {
  if (body instanceof Uint8Array) return body.length;
  return body instanceof Blob ? body.size : undefined;
}

/** Some runtimes have streams that cannot be iterated. */
async function* pieces(body: Exclude<Body, Uint8Array>): AsyncGenerator<unknown, void, undefined> {
  const stream = body instanceof Blob ? body.stream() : body;
  if (!(stream instanceof ReadableStream)) {
    try {
      yield* stream;
    } catch (cause) {
      throw new BodyFailed(cause);
    }
    return;
  }
  const reader = stream.getReader();
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
    throw new BodyFailed(cause);
  } finally {
    // Whoever makes the body hears that nobody wants the rest.
    if (!finished) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}
