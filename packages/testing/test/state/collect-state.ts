import { eventually } from "../resilience/kit/eventually.ts";

/** What a watch told, as it comes, until it is disposed of. */
export function collectState<Change extends { readonly type: string }>(
  watch: (options: { readonly signal: AbortSignal }) => AsyncIterable<Change>,
) {
  const stop = new AbortController();
  const changes: Change[] = [];
  let failure: unknown;
  const done = (async () => {
    for await (const change of watch({ signal: stop.signal })) changes.push(change);
  })().catch((error: unknown) => (failure = error));
  return {
    changes,
    async ready(): Promise<void> {
      await eventually("the watch is ready", () => {
        if (failure !== undefined) throw failure;
        return changes.some(({ type }) => type === "ready");
      });
    },
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await done;
      if (failure !== undefined) throw failure;
    },
  };
}
