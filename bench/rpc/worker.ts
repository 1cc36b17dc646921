// One side of one contender, in a process of its own: node worker.ts <contender> <serve|call> <address>
import type { FromWorker, ToWorker } from "../contender.ts";
import { contenders } from "./contenders.ts";

const [, , name = "", role = "", address = ""] = process.argv;
const contender = contenders.find((each) => each.name === name);
if (!contender) throw new Error(`no contender ${name}`);

const tell = (message: FromWorker) => process.send?.(message);
process.on("disconnect", () => process.exit(0));

let ask: (() => Promise<void>) | undefined;
if (role === "serve") {
  await contender.serve(address);
} else {
  ask = await contender.connect(address);
  await ask();
}
process.on("message", (message: ToWorker) => {
  carryOut(message).then(tell, (error: unknown) => tell({ type: "failed", message: String(error) }));
});
tell({ type: "ready" });

async function carryOut(message: ToWorker): Promise<FromWorker> {
  if (message.type === "usage") {
    const { user, system } = process.cpuUsage();
    return { type: "usage", cpuMs: (user + system) / 1000, rssMb: process.memoryUsage.rss() / 2 ** 20 };
  }
  if (ask === undefined) throw new Error("this side only answers");
  return measure(ask, message);
}

/** Keeps `inFlight` questions open until the time is up; a question that fails ends the round. */
async function measure(question: () => Promise<void>, round: ToWorker & { type: "run" }): Promise<FromWorker> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + round.durationMs;
  await Promise.all(
    Array.from({ length: round.inFlight }, async () => {
      for (let now = performance.now(); now < until; ) {
        await question();
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
