import { setTimeout as pause } from "node:timers/promises";

/** Asks until the answer is there and not `false`; fails with what was waited for. */
export async function eventually<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 30_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const answer = await condition();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`Waited ${withinMs} ms in vain: ${what}`);
    await pause(20);
  }
}
