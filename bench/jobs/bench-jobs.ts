import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import { localFiles } from "@trellis/platform";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import type { BenchResult } from "../report.ts";
import { median, round } from "../statistics.ts";
import { factory, TEXT } from "./contract.ts";

const JOBS = 4_000;
const IN_FLIGHT = 256;
/** Short turns, each compared with its neighbour: a busy moment of a shared machine spoils one of them. */
const TURNS = 5;
const IDLE_TIMES = 200;

/** What a full life (created, started, completed) must reach of bare publishes doing the same, and idle pick-up. */
const PROMISED = { ofBare: 0.6, idlePickUpMs: 3 } as const;

/**
 * Jobs from their creation to their recorded end, against JetStream publishes of the same three records by nats.js, in
 * turns on the same server (R1, default sync: an acknowledgement does not wait for the disk on either side). The control
 * plane and its projection run all the while; creator and worker are processes of their own.
 */
export async function run(): Promise<BenchResult> {
  await using platform = await startPlatform({ config: { jobsMaxBytes: 2 * 1024 ** 3 } });
  const keys = await loadControlPlaneKeys(localFiles(platform.local.directory).operator);
  const authenticator = directAuthenticator(createDirectUser(keys, "DATA", { name: "bench" }));
  const data = await connect({ servers: [...platform.local.nats.servers], authenticator, noAsyncTraces: true });
  await (
    await jetstreamManager(data)
  ).streams.add({ name: "BARE", subjects: ["bare.>"], allow_direct: true, deny_delete: true });
  const creator = await platform.connectService(factory, { log: SILENT_LOG });
  const pickUp = await timePickUp(platform);
  const worker = await startWorker(platform);
  try {
    const create = async (n: number): Promise<void> =>
      void (await creator.jobs.work.create({ n, text: TEXT }).orThrow());
    await many(500, create);
    await untilStored(data, 500);
    let done = 500;
    const rates: { enqueue: number[]; full: number[]; bare: number[] } = { enqueue: [], full: [], bare: [] };
    for (let turn = 0; turn < TURNS; turn += 1) {
      rates.bare.push(await timeBare(data, turn));
      const startedAt = performance.now();
      await many(JOBS, create);
      rates.enqueue.push(JOBS / ((performance.now() - startedAt) / 1_000));
      done += JOBS;
      await untilStored(data, done);
      rates.full.push((3 * JOBS) / ((performance.now() - startedAt) / 1_000));
    }
    const full = median(rates.full);
    const bare = median(rates.bare);
    const ofBare = median(rates.full.map((rate, turn) => rate / (rates.bare[turn] ?? Number.NaN)));
    const p50 = median(pickUp);
    const missed = [
      ...(ofBare >= PROMISED.ofBare
        ? []
        : [`full life cycles: ${round(ofBare)} of bare publishes; promised ${PROMISED.ofBare}`]),
      ...(p50 < PROMISED.idlePickUpMs
        ? []
        : [`idle pick-up p50: ${round(p50)} ms; promised < ${PROMISED.idlePickUpMs}`]),
    ];
    return {
      bench: "jobs",
      columns: ["what", "measured", "note"],
      rows: [
        [
          "bare JetStream publishes of three records, records/s",
          String(Math.round(bare)),
          `${IN_FLIGHT} jobs in flight, no worker`,
        ],
        [
          "jobs with full lives, records/s",
          String(Math.round(full)),
          `${round(ofBare)} of bare; promised ≥ ${PROMISED.ofBare}`,
        ],
        ["jobs with full lives, jobs/s", String(Math.round(full / 3)), "from create() to the recorded end"],
        ["create() alone while the worker runs, jobs/s", String(Math.round(median(rates.enqueue))), ""],
        [
          "idle pick-up p50, ms",
          p50.toFixed(2),
          `create() called until the handler runs; promised < ${PROMISED.idlePickUpMs}`,
        ],
        ["BullMQ, Graphile Worker", "skipped", "Redis and PostgreSQL are not started by this benchmark"],
      ],
      ratios: { ofBare: round(ofBare) },
      facts: { recordsPerSecond: Math.round(full), barePerSecond: Math.round(bare), idlePickUpMs: round(p50) },
      missed,
    };
  } finally {
    const exited = once(worker, "exit");
    worker.stdin.end();
    await exited;
    await data.close();
  }
}

async function timeBare(data: NatsConnection, turn: number): Promise<number> {
  const js = jetstream(data);
  const payload = JSON.stringify({
    id: "01K8A2M7T0V4E9R5W3Y6H1D8SB",
    context: { requestId: "01K8A2M7T0V4E9R5W3Y6H1D8SB" },
    payload: { n: 1, text: TEXT },
  });
  const small = JSON.stringify({
    id: "01K8A2M7T0V4E9R5W3Y6H1D8SB",
    context: { requestId: "01K8A2M7T0V4E9R5W3Y6H1D8SB" },
    claim: "abcdefghijkl",
    attempt: 1,
  });
  const startedAt = performance.now();
  await many(JOBS, async (n) => {
    for (const [event, body] of [
      ["created", payload],
      ["started", small],
      ["completed", small],
    ] as const)
      await js.publish(`bare.work.${turn}-${n}.${event}`, body, { headers: headers() });
  });
  return (3 * JOBS) / ((performance.now() - startedAt) / 1_000);
}

async function timePickUp(platform: TestPlatform): Promise<number[]> {
  await using service = await platform.connectService(factory, { log: SILENT_LOG });
  let began: (() => void) | undefined;
  service.handle.job.idle(({ payload }) => {
    began?.();
    return ok({ n: payload.n });
  });
  await service.start();
  const times: number[] = [];
  for (let n = 0; n < IDLE_TIMES; n += 1) {
    const running = new Promise<void>((resolve) => (began = resolve));
    const startedAt = performance.now();
    const job = await service.jobs.idle.create({ n, text: TEXT }).orThrow();
    await running;
    times.push(performance.now() - startedAt);
    await job.wait().orThrow();
  }
  return times.slice(IDLE_TIMES / 4);
}

async function startWorker(platform: TestPlatform) {
  const seedFile = join(platform.local.directory, "factory.seed");
  const { publicKey } = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
  await platform.admin.rpc.auth.instancesProvision({ deployment: "factory", sessionKey: publicKey }).orThrow();
  const child = spawn(process.execPath, [join(import.meta.dirname, "worker.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, TRELLIS_URL: platform.url, TRELLIS_SEED_FILE: seedFile },
  });
  await once(child.stdout, "data");
  return child;
}

/** Runs the work so many times, so many at once. */
async function many(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < count) await work((next += 1));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
}

/** Until the stream holds all records of so many jobs. */
async function untilStored(data: NatsConnection, count: number): Promise<void> {
  const endsAt = performance.now() + 60_000;
  const manager = await jetstreamManager(data);
  for (;;) {
    const { state } = await manager.streams.info("JOBS", {});
    // Every job leaves three records; the rest are those of the idle queue.
    if (state.messages >= count * 3 + IDLE_TIMES * 3) return;
    if (performance.now() > endsAt) throw new Error(`${state.messages} records of ${count} jobs after a minute`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
