import { pause } from "@trellis/client/internal";
import type { PostgresPool } from "./postgres-port.ts";

/** Between tries to listen again; meanwhile whoever is to be woken looks by itself. */
const AGAIN_MS = 2_000;

/** Holds one connection that hears of every commit that added an event; opens another when it is lost. */
export async function listenForAdditions(
  pool: PostgresPool,
  channel: string,
  wake: () => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await listenOnce(pool, channel, wake, signal);
    } catch {
      // Nothing is lost without it: polling finds what was added, only later.
    }
    await pause(AGAIN_MS, signal);
  }
}

async function listenOnce(pool: PostgresPool, channel: string, wake: () => void, signal: AbortSignal): Promise<void> {
  const client = await pool.connect();
  const over = Promise.withResolvers<void>();
  const end = (): void => over.resolve();
  signal.addEventListener("abort", end, { once: true });
  client.on("notification", wake);
  client.on("error", end);
  client.on("end", end);
  try {
    // The name of a table needs no quotes.
    await client.query(`LISTEN ${channel}`);
    // What was added before we listened.
    wake();
    if (!signal.aborted) await over.promise;
  } finally {
    signal.removeEventListener("abort", end);
    client.release(true);
  }
}
