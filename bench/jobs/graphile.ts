import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { Client, Pool } from "pg";
import { many, TEXT, told, WORKERS, type JobsContender } from "./contender.ts";

/** Jobs added by one statement, and statements under way, when everything is batched. */
const BATCH = 100;
const BATCHES_IN_FLIGHT = 4;

const QUIET = new Logger(() => () => undefined);

/**
 * Graphile Worker: plain, as it comes, or with everything batched that it can batch (adding, taking and ending jobs).
 * A job that has ended is deleted.
 */
export function graphile(how: "plain" | "batched"): JobsContender {
  // A database each: workers stop when somebody sets up another queue in theirs.
  const placeOf = (queue: string): string => new URL(`/${how}_${queue}`, told("BENCH_POSTGRES")).href;
  return {
    async work(queue, ran) {
      await run({
        preset: {
          worker: {
            connectionString: placeOf(queue),
            concurrentJobs: WORKERS,
            maxPoolSize: WORKERS + 2,
            ...(how === "batched"
              ? { localQueue: { size: 4 * WORKERS }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
              : {}),
          },
        },
        logger: QUIET,
        noHandleSignals: true,
        taskList: { task: ran },
      });
    },
    async creator(queue) {
      const server = new Client({ connectionString: told("BENCH_POSTGRES") });
      await server.connect();
      await server.query(`create database ${how}_${queue}`);
      await server.end();
      const pool = new Pool({ connectionString: placeOf(queue), max: 10 });
      // Connections that end while the servers stop.
      pool.on("error", () => undefined).on("connect", (client) => client.on("error", () => undefined));
      const utils = await makeWorkerUtils({ pgPool: pool, logger: QUIET });
      await utils.migrate();
      let created = 0;
      return {
        async create(count) {
          created += count;
          if (how === "plain") return many(count, async (n) => void (await utils.addJob("task", { n, text: TEXT })));
          const add = async (batch: number): Promise<void> => {
            const size = Math.min(BATCH, count - (batch - 1) * BATCH);
            const jobs = Array.from({ length: size }, (_, n) => ({ identifier: "task", payload: { n, text: TEXT } }));
            await utils.addJobs(jobs);
          };
          return many(Math.ceil(count / BATCH), add, BATCHES_IN_FLIGHT);
        },
        async ended() {
          const left = await pool.query<{ n: number }>("select count(*)::int as n from graphile_worker._private_jobs");
          return created - (left.rows[0]?.n ?? 0);
        },
      };
    },
  };
}
