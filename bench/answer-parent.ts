import type { FromWorker, ToWorker } from "./contender.ts";

/** What a worker process can be asked to do again and again; nothing, when it only answers. */
export type Ask = () => Promise<void>;

/** Does what the parent says until the parent is gone. */
export function answerParent(ask: Ask | undefined): void {
  const tell = (message: FromWorker) => process.send?.(message);
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message: ToWorker) => {
    carryOut(ask, message).then(tell, (error: unknown) => tell({ type: "failed", message: String(error) }));
  });
  tell({ type: "ready" });
}

async function carryOut(ask: Ask | undefined, message: ToWorker): Promise<FromWorker> {
  if (message.type === "usage") return usage();
  if (ask === undefined) throw new Error("this side only answers");
  return message.type === "burst" ? burst(ask, message.count) : measure(ask, message);
}

/** What this process has used so far. */
export function usage(): FromWorker & { type: "usage" } {
  const { user, system } = process.cpuUsage();
  return { type: "usage", cpuMs: (user + system) / 1000, rssMb: process.memoryUsage.rss() / 2 ** 20 };
}

/** Keeps `inFlight` questions open until the time is up; a question that fails ends the round. */
async function measure(ask: Ask, round: ToWorker & { type: "run" }): Promise<FromWorker> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + round.durationMs;
  await Promise.all(
    Array.from({ length: round.inFlight }, async () => {
      for (let now = performance.now(); now < until;) {
        await ask();
        const done = performance.now();
        latencies.push(done - now);
        now = done;
      }
    }),
  );
  const elapsedMs = performance.now() - startedAt;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  return { type: "ran", calls: latencies.length, elapsedMs, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** Everything at once, once. */
async function burst(ask: Ask, count: number): Promise<FromWorker> {
  const startedAt = performance.now();
  const results = await Promise.allSettled(Array.from({ length: count }, () => ask()));
  const failed = results.filter((result) => result.status === "rejected");
  return {
    type: "burst",
    failed: failed.length,
    elapsedMs: performance.now() - startedAt,
    ...(failed[0] === undefined ? {} : { firstFailure: String(failed[0].reason) }),
  };
}
