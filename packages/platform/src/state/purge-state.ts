import type { StateBucket } from "./state-bucket.ts";
import { failed } from "./state-failure.ts";
import { statePage } from "./state-page.ts";

/** Ended by one call: well within its deadline. */
const AT_ONCE = 500;

/**
 * Ends everything that matches, entry by entry, so that whoever watches hears of it. Killed in the middle it has ended
 * some; asked again it ends the rest.
 */
export async function purgeState(
  bucket: StateBucket,
  filter: string,
): Promise<{ readonly deleted: number; readonly more: boolean }> {
  let deleted = 0;
  let cursor: string | undefined;
  do {
    const { entries, nextCursor } = await statePage(bucket, filter, cursor === undefined ? {} : { cursor });
    const ended = await Promise.all(entries.map(({ key }) => bucket.kv.delete(key)));
    for (const each of ended) if (!each.ok) throw failed(each.error);
    deleted += entries.length;
    cursor = nextCursor;
  } while (cursor !== undefined && deleted < AT_ONCE);
  return { deleted, more: cursor !== undefined };
}
