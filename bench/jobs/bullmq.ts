import { Queue, Worker } from "bullmq";
import { many, TEXT, told, WORKERS, type JobsContender } from "./contender.ts";

const connection = () => ({ host: "127.0.0.1", port: Number(told("BENCH_REDIS")), maxRetriesPerRequest: null });

/** BullMQ as it comes: jobs are added one by one and stay in Redis after their end. */
export const contender: JobsContender = {
  async work(name, ran) {
    const handle = (job: { readonly data: { readonly n: number } }) => {
      ran();
      return Promise.resolve({ n: job.data.n });
    };
    await new Worker<{ n: number }>(name, handle, { connection: connection(), concurrency: WORKERS }).waitUntilReady();
  },
  async creator(name) {
    const queue = new Queue<{ n: number; text: string }>(name, { connection: connection() });
    await queue.waitUntilReady();
    return {
      create: (count) => many(count, async (n) => void (await queue.add("task", { n, text: TEXT }))),
      ended: () => queue.getCompletedCount(),
    };
  },
};
