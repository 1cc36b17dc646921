import { ValidationError } from "@trellis/protocol";
import type { state } from "@trellis/sdk";
import type { FeedHandler } from "@trellis/server/node";
import type { ShapeOf } from "@trellis/contracts";
import { isoTime } from "../handlers/handler.ts";
import { readState } from "./read-state.ts";
import { admitted, type StateParts } from "./state-handlers.ts";
import { HELD_BYTES } from "./state-limits.ts";
import { entryOf, prefixFilter } from "./state-place.ts";

type Watch = ShapeOf<typeof state>["feeds"]["State.Watch"];

/**
 * Tells what there is and then what changes. It has no cursor: a reader that lost its replica is told everything again by
 * another one and compares, so that nothing has to be remembered about readers.
 */
export function stateWatch(parts: StateParts): FeedHandler<Watch> {
  return async function* ({ input, caller, signal }) {
    const declared = await admitted(parts, caller, input.store);
    if (!declared.ok) throw new ValidationError([{ path: "/store", message: declared.error.message }]);
    const { place } = declared.value;
    const prefix = prefixFilter(place, input.prefix);
    if (!prefix.ok) throw new ValidationError([{ path: "/prefix", message: prefix.error.message }]);
    yield { type: "begin" };
    for await (const change of parts.bucket.kv.watch(prefix.value.filter, { signal, holdBytes: HELD_BYTES })) {
      if (change.type === "ready") {
        yield change;
        continue;
      }
      const key = entryOf(place, change.key);
      if (!prefix.value.matches(key)) continue;
      if (change.type === "end") {
        const { reason, revision, at } = change;
        yield { type: "end", reason, revision, at: isoTime(at.getTime()), ...(key === undefined ? {} : { key }) };
        continue;
      }
      const read = readState(declared.value, change);
      yield read.readable ? { type: "put", ...read.entry } : { type: "unreadable", ...read.entry };
    }
  };
}
