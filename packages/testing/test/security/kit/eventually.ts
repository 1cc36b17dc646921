import { setTimeout as pause } from "node:timers/promises";

/** Polls until `check` gives something, and fails past the deadline with what is still missing. */
export async function eventually<T>(
  check: () => T | undefined | Promise<T | undefined>,
  options: { readonly withinMs?: number; readonly what?: () => string } = {},
): Promise<T> {
  const { withinMs = 30_000, what = () => "it did not come about" } = options;
  const deadline = performance.now() + withinMs;
  for (let wait = 2; ; wait = Math.min(wait * 2, 100)) {
    const found = await check();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`after ${withinMs} ms: ${what()}`);
    await pause(wait);
  }
}
