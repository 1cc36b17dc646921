import type { Json } from "@trellis/contracts";
import { err, ok } from "@trellis/result";
import type { state } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import type { HandlerCaller, HandlersOf } from "../handlers/handler.ts";
import { declaredState, type ManifestOf } from "./declared-state.ts";
import { conflict, isOvertaken, putState } from "./put-state.ts";
import { readState, stored, unreadable } from "./read-state.ts";
import type { RequestRate } from "./request-rate.ts";
import type { StateBucket } from "./state-bucket.ts";
import { failed } from "./state-failure.ts";
import type { StateLimits } from "./state-limits.ts";
import { stateOverview } from "./state-overview.ts";
import { statePage } from "./state-page.ts";
import { entryKey, prefixFilter } from "./state-place.ts";

/** What serving state takes. */
export interface StateParts {
  readonly context: ControlContext;
  readonly bucket: StateBucket;
  readonly limits: StateLimits;
  readonly rate: RequestRate;
  readonly manifestOf: ManifestOf;
}

type Names = "State.Get" | "State.Put" | "State.Delete" | "State.List" | "State.Overview";

/** What apps, agents and devices do with their own state. */
export function stateHandlers(parts: StateParts): HandlersOf<typeof state, Names> {
  const { bucket, limits, context } = parts;
  return {
    "State.Get": async ({ input, caller }) => {
      const declared = await admitted(parts, caller, input.store);
      if (!declared.ok) return declared;
      const where = entryKey(declared.value.place, input.key);
      if (!where.ok) return where;
      const found = await bucket.kv.get(where.value, { fresh: true });
      if (!found.ok) throw failed(found.error);
      if (found.value === undefined) return ok({});
      const read = readState(declared.value, stored(found.value));
      return read.readable ? ok({ entry: read.entry }) : err(unreadable(input.store, read.entry));
    },
    "State.Put": async ({ input, caller }) => {
      const declared = await admitted(parts, caller, input.store);
      if (!declared.ok) return declared;
      // It came as JSON.
      return putState(bucket, limits, declared.value, { ...input, value: input.value as Json });
    },
    "State.Delete": async ({ input, caller }) => {
      const declared = await admitted(parts, caller, input.store);
      if (!declared.ok) return declared;
      const where = entryKey(declared.value.place, input.key);
      return where.ok ? deleteState(bucket, where.value, input) : where;
    },
    "State.List": async ({ input, caller }) => {
      const declared = await admitted(parts, caller, input.store);
      if (!declared.ok) return declared;
      const prefix = prefixFilter(declared.value.place, input.prefix);
      if (!prefix.ok) return prefix;
      const { entries, ...more } = await statePage(bucket, prefix.value.filter, input);
      const reads = entries
        .map((entry) => readState(declared.value, entry))
        .filter(({ entry }) => prefix.value.matches(entry.key));
      return ok({
        entries: reads.flatMap((read) => (read.readable ? [read.entry] : [])),
        unreadable: reads.flatMap((read) => (read.readable ? [] : [read.entry])),
        ...more,
      });
    },
    "State.Overview": async ({ input, caller }) => {
      const { type, id } = caller;
      if (type === "service") return ok({ stores: [] });
      parts.rate.take(`${type} ${id}`);
      return ok({ stores: [...(await stateOverview(context, bucket, { type, id }, input.contract))] });
    },
  };
}

/** Counts the request and finds what the caller's contract says about the store. */
export function admitted(parts: StateParts, caller: HandlerCaller, store: string) {
  parts.rate.take(`${caller.type} ${caller.id}`);
  return declaredState(parts.manifestOf, caller, store);
}

/** Ends an entry if it is there, and where it is expected. One that is gone already is as it should be. */
export async function deleteState(
  bucket: StateBucket,
  where: string,
  {
    store,
    key,
    expectedRevision,
  }: { readonly store: string; readonly key?: string; readonly expectedRevision?: number },
) {
  const found = await bucket.kv.get(where, { fresh: true });
  if (!found.ok) throw failed(found.error);
  if (found.value === undefined) return ok({ existed: false });
  if (expectedRevision !== undefined && expectedRevision !== found.value.revision)
    return err(conflict(store, key, found.value.revision));
  const ended = await bucket.kv.delete(where, expectedRevision === undefined ? {} : { revision: expectedRevision });
  if (ended.ok) return ok({ existed: true });
  if (isOvertaken(ended.error)) return err(conflict(store, key, ended.error.revision));
  throw failed(ended.error);
}
