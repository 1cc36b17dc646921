import { setTimeout as sleep } from "node:timers/promises";
import type { NatsNode } from "./node.ts";
import type { ManagedNats } from "./start.ts";

export interface KeepRunningOptions {
  /** One sentence for whoever watches: that a server ended, that it is back, why it is not. */
  readonly onNews: (text: string) => void;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Starts servers again that end without being asked to: killed by a person, by the system for want of memory, by a fault
 * of their own. They come back on their ports, so whoever was connected finds them. Dispose it before the servers are
 * stopped.
 */
export function keepRunning(nats: ManagedNats, { onNews }: KeepRunningOptions): AsyncDisposable {
  const ending = new AbortController();
  const underWay = new Set<Promise<void>>();
  const bring = async (node: NatsNode): Promise<void> => {
    onNews(`nats-server ${node.name} ended by itself; starting it again. Its log: ${node.logFile}`);
    let told = "";
    for (let pause = FIRST_PAUSE_MS; !ending.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        await node.restart();
        onNews(`nats-server ${node.name} runs again.`);
        return;
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        if (problem !== told) onNews(`nats-server ${node.name} is not back: ${problem} Trying again until it is.`);
        told = problem;
      }
      await sleep(pause, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  };
  const listening = nats.nodes.map((node) =>
    node.onLost(() => {
      const work = bring(node).finally(() => underWay.delete(work));
      underWay.add(work);
    }),
  );
  return {
    async [Symbol.asyncDispose]() {
      for (const stop of listening) stop();
      ending.abort();
      await Promise.all(underWay);
    },
  };
}
