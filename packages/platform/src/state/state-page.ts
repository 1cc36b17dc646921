import type { KvStored } from "@trellis/server/node";
import type { StateBucket, StateRecord } from "./state-bucket.ts";
import { failed } from "./state-failure.ts";
import { PAGE_BYTES } from "./state-limits.ts";

/** As many as a screen shows. */
const DEFAULT_LIMIT = 100;

/** One part of what matches, in the order of the last writes; the cursor is the place in the bucket where the next begins. */
export async function statePage(
  bucket: StateBucket,
  filter: string,
  { cursor = "1", limit = DEFAULT_LIMIT }: { readonly cursor?: string; readonly limit?: number },
): Promise<{ readonly entries: readonly KvStored<StateRecord>[]; readonly nextCursor?: string }> {
  const from = Number(cursor);
  const page = await bucket.kv.page(filter, {
    from: Number.isSafeInteger(from) && from > 0 ? from : 1,
    limit,
    maxBytes: PAGE_BYTES,
  });
  if (!page.ok) throw failed(page.error);
  const { entries, next } = page.value;
  return { entries, ...(next === undefined ? {} : { nextCursor: String(next) }) };
}
