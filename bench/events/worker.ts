// One side in a process of its own: node worker.ts <raw|trellis|strict> <publish|consume> <address> <seed file>
import { answerParent, usage } from "../answer-parent.ts";
import type { ToWorker } from "../contender.ts";
import { rawConsumer, rawPublisher, strictConsumer, trellisConsumer, trellisPublisher } from "./sides.ts";

const [, , side = "", role = "", address = "", seedFile = ""] = process.argv;
if (role === "publish") {
  answerParent(await (side === "raw" ? rawPublisher(address) : trellisPublisher(address, seedFile)));
} else {
  await countEvents();
}

/** Told how many events will come, says how long they took from the first to the last. */
async function countEvents(): Promise<void> {
  let expected = 0;
  let seen = 0;
  let firstAt = 0;
  const onEvent = (): void => {
    if (seen === 0) firstAt = performance.now();
    seen += 1;
    if (seen !== expected) return;
    process.send?.({ type: "ran", calls: seen, elapsedMs: performance.now() - firstAt, p50Ms: 0, p99Ms: 0 });
    seen = 0;
  };
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message: ToWorker) => {
    if (message.type === "usage") process.send?.(usage());
    if (message.type === "run") expected = message.inFlight;
  });
  if (side === "raw") await rawConsumer(address, onEvent);
  else await (side === "strict" ? strictConsumer : trellisConsumer)(address, seedFile, onEvent);
  process.send?.({ type: "ready" });
}
