import { persist } from "../jetstream/persist.ts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import { CHUNK_BYTES, chunkIndex, chunkSubject, digestText, toObject } from "./object-layout.ts";
import type { ObjectDescription } from "./object-layout.ts";
import { StoreError, toStoreError } from "./store-error.ts";
import { findObject } from "./store-parts.ts";
import type { FoundObject, StoreParts } from "./store-parts.ts";
import type { StoreDownload, StoreGetOptions } from "./store-types.ts";

/** One page is read while the one before is consumed: twice this is in memory at most. */
const PAGE = { messages: 64, bytes: 16 * 1024 * 1024 } as const;

/** Finds an object and begins to read it. */
export async function download(parts: StoreParts, name: string, options: StoreGetOptions): Promise<StoreDownload> {
  const found = await findObject(parts, name);
  if (found === undefined)
    throw new StoreError("not_found", `There is no object ${name} in the store ${parts.bucket}.`, { object: name });
  const { description, message } = found;
  if (description.options?.link !== undefined)
    throw new StoreError("corrupt", `${name} is a link to another object; links are not followed.`, { object: name });
  const range = requireRange(options.range, description);
  const bytes = read(parts, found, range, options);
  return {
    info: toObject(description, message),
    body: new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const next = await bytes.next();
          if (next.done === true) controller.close();
          else controller.enqueue(next.value);
        },
        async cancel() {
          await bytes.return();
        },
      },
      { highWaterMark: 0 },
    ),
  };
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * The bytes of a range, in order.
 *
 * 1. Chunks follow one another by their places, which those written here carry; a missing one ends the reading.
 * 2. The last bytes of a whole object are handed out only after its size and digest are what its description says.
 */
async function* read(
  parts: StoreParts,
  { description }: FoundObject,
  range: Range,
  options: StoreGetOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { size, chunks, digest, name } = description;
  const whole = range.start === 0 && range.end === size;
  const hash = whole ? parts.newHash() : undefined;
  const fail = (code: "changed" | "corrupt", why: string): StoreError =>
    new StoreError(code, `${name} cannot be read: ${why}.`, { object: name });
  let position = 0;
  let told = 0;
  let held: Uint8Array | undefined;
  try {
    const start = startOf(description, range);
    let count = 0;
    const wanted = Math.ceil((range.end - start.chunk * chunkBytesOf(description)) / chunkBytesOf(description));
    for await (const message of chunksFrom(parts, description, start.sequence, wanted)) {
      if (options.signal?.aborted === true)
        throw new StoreError("cancelled", `The download of ${name} was cancelled.`, {
          object: name,
          cause: options.signal.reason,
        });
      const index = chunkIndex(message);
      if (count === 0 && start.chunk > 0) {
        // Somewhere before the chunk that is wanted, when others were written in between.
        if (index === undefined || index > start.chunk) throw fail("changed", "its chunks are not where they were");
        if (index < start.chunk) continue;
        position = index * chunkBytesOf(description);
        count = index;
      }
      if (index !== undefined && description.trellis !== undefined && index !== count)
        throw fail("corrupt", `chunk ${count} is missing`);
      count += 1;
      const { data } = message;
      hash?.update(data);
      const from = Math.max(range.start - position, 0);
      const to = Math.min(range.end - position, data.length);
      position += data.length;
      if (from < to) {
        if (held !== undefined) yield held;
        held = data.subarray(from, to);
        told += held.length;
        options.onProgress?.({ bytes: told, totalBytes: range.end - range.start });
      }
      if (position >= range.end && (!whole || count >= chunks)) break;
    }
    if (whole && (count !== chunks || position !== size)) {
      const now = await findObject(parts, name, true);
      throw now?.description.nuid === description.nuid
        ? fail("corrupt", `${position} of its ${size} bytes are there`)
        : fail("changed", "it was replaced or removed meanwhile");
    }
    if (!whole && told < range.end - range.start) throw fail("changed", "a part of it is gone");
    if (hash !== undefined && digestText(hash.digest()) !== digest)
      throw fail("corrupt", "its bytes do not have the digest they were stored with");
    if (held !== undefined) yield held;
  } catch (error) {
    throw toStoreError(error, parts.bucket, name);
  }
}

/**
 * The chunks of an object from a sequence on; the next page is on its way while one is consumed, unless the first is
 * likely to hold all that is wanted.
 */
export async function* chunksFrom(
  parts: StoreParts,
  { nuid, chunks }: Pick<ObjectDescription, "nuid" | "chunks">,
  from: number,
  wanted: number,
): AsyncGenerator<StoredMessage, void, undefined> {
  const { link, stream, bucket } = parts;
  if (chunks === 0) return;
  const subject = chunkSubject(bucket, nuid);
  const ask = (start: number, most: number) =>
    persist(link, async () => {
      const messages: StoredMessage[] = [];
      const request = { from: start, subject, ...PAGE, messages: Math.min(PAGE.messages, most) };
      const { pending } = await stream.page(request, (message) => messages.push(message));
      return { messages, pending };
    });
  let left = wanted;
  let page: ReturnType<typeof ask> | undefined;
  for (;;) {
    const { messages, pending } = await (page ?? ask(from, Math.max(1, left)));
    page = undefined;
    const last = messages.at(-1);
    if (last !== undefined) from = last.sequence + 1;
    left -= messages.length;
    if (pending > 0 && left > 0) {
      page = ask(from, left);
      // Its failure is met when it is awaited; whoever stops reading before does not want to hear of it.
      page.catch(() => undefined);
    }
    yield* messages;
    if (pending === 0) break;
  }
  // A replica that lags has a beginning only; the leader has the rest, if there is any.
  for (;;) {
    const next = from;
    const message = await persist(link, () => stream.nextOfLeader(next, subject));
    if (message === undefined) return;
    yield message;
    from = message.sequence + 1;
  }
}

function startOf(description: ObjectDescription, range: Range): { readonly sequence: number; readonly chunk: number } {
  const first = description.trellis?.first;
  if (first === undefined) return { sequence: 1, chunk: 0 };
  const chunk = range.start === range.end ? 0 : Math.floor(range.start / chunkBytesOf(description));
  // Chunks of others may lie between, never fewer sequences than chunks.
  return { sequence: first, chunk: 0, ...(chunk === 0 ? {} : { sequence: first + chunk, chunk }) };
}

function chunkBytesOf(description: ObjectDescription): number {
  return description.options?.max_chunk_size ?? CHUNK_BYTES;
}

function requireRange(range: StoreGetOptions["range"], { size, name }: ObjectDescription): Range {
  const { start = 0, end = size } = range ?? {};
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end > size)
    throw new StoreError(
      "invalid_range",
      `${name} has ${size} bytes; there is no range from ${start} to ${end} in it.`,
      { object: name },
    );
  return { start, end };
}
