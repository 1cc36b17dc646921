import { AsyncResult, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import type { Kv, KvError } from "@trellis/server/node";

/**
 * Reads, decides and writes, and begins again when somebody else was quicker: two replicas that take the last item at the
 * same moment cannot both have it. Decides `undefined` to leave things as they are.
 */
export function changeItem<V, R extends V | undefined>(
  kv: Kv<V>,
  key: string,
  decide: (value: V | undefined) => R,
): AsyncResult<R, KvError> {
  return AsyncResult.run(async (): Promise<Result<R, KvError>> => {
    for (;;) {
      const entry = await kv.get(key);
      if (!entry.ok) return entry;
      const next = decide(entry.value?.value);
      if (next === undefined) return ok(next);
      const written =
        entry.value === undefined ? await kv.create(key, next) : await kv.update(key, next, entry.value.revision);
      if (written.ok) return ok(next);
      if (written.error.code !== "conflict" && written.error.code !== "not_found") return written;
    }
  });
}
