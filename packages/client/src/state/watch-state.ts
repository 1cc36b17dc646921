import type { FeedReading } from "../feeds/feed-types.ts";
import type { StoredState, UntypedRead, WireEntry, WireUnreadable } from "./stored-state.ts";

/** A frame of `State.Watch`; the reading has checked it against the contract. */
export type WireChange =
  | { readonly type: "begin" }
  | { readonly type: "ready" }
  | ({ readonly type: "put" } & WireEntry)
  | ({ readonly type: "unreadable" } & WireUnreadable)
  | { readonly type: "end"; readonly key?: string; readonly reason: string; readonly revision: number };

export type UntypedChange =
  | { readonly type: "ready" }
  | ({ readonly type: "put" } & UntypedRead)
  | { readonly type: "unreadable"; readonly key?: string; readonly error: Error }
  | { readonly type: "end"; readonly key?: string; readonly reason: string };

/** Stands for the one entry of a value store; no key is empty. */
const THE_VALUE = "";

/**
 * Follows a store over as many readings of the feed as it takes. Each begins with everything there is, so:
 *
 * 1. An entry is told once for each revision, also when another reading tells it again.
 * 2. What was told and is not there when a new reading is ready has ended meanwhile.
 * 3. `ready` is told once.
 */
export async function* watchState(
  state: StoredState,
  reading: FeedReading<WireChange>,
  signal: AbortSignal | undefined,
): AsyncGenerator<UntypedChange> {
  /** The entries that were told, with their revisions. */
  const told = new Map<string, number>();
  let seen = new Set<string>();
  let wasReady = false;
  try {
    for await (const change of reading) {
      if (change.type === "begin") seen = new Set();
      else if (change.type === "ready") {
        for (const key of told.keys()) {
          if (seen.has(key)) continue;
          told.delete(key);
          yield { type: "end", ...named(key), reason: "gone" };
        }
        if (!wasReady) yield { type: "ready" };
        wasReady = true;
      } else {
        const key = change.key ?? THE_VALUE;
        const before = told.get(key);
        seen.add(key);
        if (before !== undefined && change.revision !== 0 && before >= change.revision) continue;
        if (change.type === "end") {
          if (!told.delete(key)) continue;
          yield { type: "end", ...named(key), reason: change.reason };
          continue;
        }
        told.set(key, change.revision);
        if (change.type === "unreadable") {
          yield { type: "unreadable", ...named(key), error: state.unreadable(change) };
          continue;
        }
        const read = state.read(change);
        if (!read.ok) throw read.error;
        yield { type: "put", ...read.value };
      }
    }
  } catch (error) {
    // Whoever says stop is not told that it stopped.
    if (signal?.aborted !== true) throw error;
  } finally {
    await reading.return();
  }
}

function named(key: string): { readonly key?: string } {
  return key === THE_VALUE ? {} : { key };
}
