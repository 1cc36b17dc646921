import type { Kv, KvChange } from "@trellis/server/node";
import { eventually } from "../resilience/kit/eventually.ts";

/** Collects what a watch tells until the test ends it. */
export function collect<V>(kv: Kv<V>, filter?: string, initial = true) {
  const end = new AbortController();
  const changes: KvChange<V>[] = [];
  const done = (async () => {
    for await (const change of kv.watch(filter, { signal: end.signal, initial })) changes.push(change);
  })();
  return {
    changes,
    of: (key: string) => changes.filter((change) => change.type !== "ready" && change.key === key),
    ready: () => eventually("the watch is ready", () => changes.some(({ type }) => type === "ready")),
    async [Symbol.asyncDispose]() {
      end.abort();
      await done;
    },
  };
}
