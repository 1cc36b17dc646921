import { pause } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import { TransportError } from "@trellis/protocol";
import { StreamRefused } from "./stream-refused.ts";

/** Long enough for a server to restart and a stream to find its leader again. */
export const PERSIST_MS = 20_000;

export interface PersistOptions {
  readonly withinMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Tries again while NATS is restarting or electing, until time is up; then throws what the last attempt threw. The attempt
 * is told its number: whatever was sent before may have been carried out although its answer was lost.
 */
export async function persist<T>(
  link: Link,
  attempt: (attempts: number) => Promise<T>,
  options: PersistOptions = {},
): Promise<T> {
  const { withinMs = PERSIST_MS, signal } = options;
  const endsAt = performance.now() + withinMs;
  for (let attempts = 0; ; attempts += 1) {
    try {
      return await attempt(attempts);
    } catch (error) {
      if (!isPassing(error) || signal?.aborted === true || link.state === "closed" || performance.now() > endsAt)
        throw error;
    }
    const waitMs = Math.min(500, 20 * 2 ** Math.min(attempts, 5));
    while ((await pause(waitMs, signal)) && link.state === "reconnecting" && performance.now() < endsAt);
  }
}

/** Whether the same may succeed in a moment. */
export function isPassing(error: unknown): boolean {
  if (error instanceof StreamRefused) return error.isPassing;
  return error instanceof TransportError && PASSING.has(error.code);
}

const PASSING: ReadonlySet<string> = new Set(["timeout", "disconnected", "no_responders"]);
