import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import { localFiles } from "@trellis/platform";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import type { BenchResult } from "../report.ts";
import { median, round } from "../statistics.ts";

const JOBS = Number(process.env["BENCH_LISTED_JOBS"] ?? 1_000_000);
/** One in so many is dead, one in so many failed: rare enough that a page of them is far apart. */
const DEAD_EVERY = 10_000;
const GROUP_EVERY = 1_000;
const ASKED = 40;
const IN_FLIGHT = 512;
const STREAM_BYTES = 4 * 1024 ** 3;

/** How soon the first page of a queue of a million jobs is there, and what the platform needs for it. */
const PROMISED = { firstPageMs: 200, bytesAJob: 800 } as const;

/** A queue of a million jobs as an operator sees it: the first page, filtered ones, and the memory it takes. */
export async function run(): Promise<BenchResult> {
  await using platform = await startPlatform({ config: { jobsMaxBytes: STREAM_BYTES } });
  const { jobs } = platform.admin.rpc;
  const before = heap();
  const startedAt = performance.now();
  await fill(platform);
  const filledMs = performance.now() - startedAt;
  while ((await jobs.health({}).orThrow()).jobs < JOBS) await new Promise((resolve) => setTimeout(resolve, 100));
  const bytesAJob = Math.round((heap() - before) / JOBS);
  const pages = [
    { what: "first page", input: { service: "bench", queue: "listed", limit: 50 } },
    { what: "a rare state", input: { queue: "listed", state: "dead", limit: 50 } },
    { what: "a state nothing is in", input: { queue: "listed", state: "cancelled", limit: 50 } },
    { what: "a small group", input: { queue: "listed", group: "rare", limit: 50 } },
    { what: "a queue that is not there", input: { queue: "other", limit: 50 } },
  ] as const;
  const rows: string[][] = [];
  const medians: number[] = [];
  for (const { what, input } of pages) {
    const took: number[] = [];
    let found = 0;
    for (let n = 0; n < ASKED; n += 1) {
      const from = performance.now();
      found = (await jobs.list(input).orThrow()).jobs.length;
      took.push(performance.now() - from);
    }
    medians.push(median(took));
    rows.push([what, String(found), `${round(median(took))} ms`, `${round(Math.max(...took))} ms`]);
  }
  const slowest = Math.max(...medians);
  return {
    bench: "job-list",
    columns: ["what is asked", "found", "p50", "longest"],
    rows,
    ratios: {},
    facts: {
      jobs: JOBS,
      filledMs: Math.round(filledMs),
      bytesAJob,
      firstPageMs: round(medians[0] ?? 0),
      slowest: round(slowest),
    },
    missed: [
      ...(slowest < PROMISED.firstPageMs
        ? []
        : [`a page of ${JOBS} jobs: ${round(slowest)} ms; promised < ${PROMISED.firstPageMs}`]),
      ...(bytesAJob < PROMISED.bytesAJob ? [] : [`memory: ${bytesAJob} bytes a job; promised < ${PROMISED.bytesAJob}`]),
    ],
  };
}

async function fill(platform: TestPlatform): Promise<void> {
  const keys = await loadControlPlaneKeys(localFiles(platform.local.directory).operator);
  const nc = await connect({
    servers: [...platform.local.nats.servers],
    authenticator: directAuthenticator(createDirectUser(keys, "DATA", { name: "bench" })),
    noAsyncTraces: true,
  });
  const js = jetstream(nc, { timeout: 60_000 });
  const stamp = Date.now().toString(36);
  let next = 0;
  const write = async (): Promise<void> => {
    while (next < JOBS) {
      const n = next;
      next += 1;
      const id = `${stamp}-${n}`;
      const context = { requestId: id };
      const group = n % GROUP_EVERY === 7 ? { group: "rare" } : {};
      const subject = (event: string): string => `trellis.jobs.bench.listed.${id}.${event}`;
      await js.publish(subject("created"), JSON.stringify({ id, context, payload: { n }, ...group }));
      if (n % DEAD_EVERY !== 3) continue;
      await js.publish(subject("started"), JSON.stringify({ id, context, claim: "c", attempt: 1 }));
      const error = { type: "Error", message: "no use" };
      await js.publish(subject("dead"), JSON.stringify({ id, context, claim: "c", attempt: 1, error }));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, write));
  await nc.close();
}

function heap(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
  return process.memoryUsage().heapUsed;
}
