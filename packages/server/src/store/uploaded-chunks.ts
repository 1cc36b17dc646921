import type { StoredMessage } from "../jetstream/stored-message.ts";
import { chunksFrom } from "./download.ts";
import { chunkIndex } from "./object-layout.ts";
import { StoreError } from "./store-error.ts";
import type { StoreParts } from "./store-parts.ts";

/** What arrived of an upload, chunk by chunk; about so many are wanted. A missing or misplaced one ends it. */
export async function* uploadedChunks(
  parts: StoreParts,
  { id, name }: { readonly id: string; readonly name: string },
  wanted: number,
): AsyncGenerator<StoredMessage, void, undefined> {
  let count = 0;
  for await (const message of chunksFrom(parts, { nuid: id, chunks: wanted }, 1, wanted)) {
    if (chunkIndex(message) !== count)
      throw new StoreError(
        "interrupted",
        `A piece of ${name} is missing or came twice. Nothing was stored; begin again.`,
        { object: name },
      );
    count += 1;
    yield message;
  }
}
