import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import type { Program } from "../src/program.ts";
import { works } from "./jobs/contract.ts";
import { connectData } from "./jobs/direct.ts";
import { endsOf, storedRecords, workLeft } from "./jobs/stored-jobs.ts";
import { provisionJobWorker, spawnJobWorker } from "./jobs/workers.ts";
import { eventually } from "./resilience/kit/eventually.ts";
import { chosenSeed, randomOf } from "./resilience/kit/random.ts";

describe("jobs whose processes are killed", () => {
  let platform: TestPlatform;
  let runsFile: string;
  let seedFiles: readonly string[] = [];
  const workers = new Set<Program>();
  const spawn = async (at = 0): Promise<Program> => {
    const worker = await spawnJobWorker(platform, runsFile, seedFiles[at] ?? "");
    workers.add(worker);
    return worker;
  };
  const kill = async (worker: Program): Promise<void> => {
    workers.delete(worker);
    await worker.kill();
  };
  const runsOf = (id: string): readonly string[] =>
    readFileSync(runsFile, "utf8")
      .split("\n")
      .filter((line) => line.startsWith(`${id} `));

  const beganBy = (id: string, attempt: number, { pid }: Program): boolean =>
    runsOf(id).includes(`${id} ${attempt} began ${pid}`);
  const gate = (): string => join(platform.local.directory, `gate-${Math.random()}`);

  beforeAll(async () => {
    platform = await startPlatform();
    runsFile = join(platform.local.directory, "runs.txt");
    writeFileSync(runsFile, "");
    seedFiles = [await provisionJobWorker(platform), await provisionJobWorker(platform)];
  });
  afterAll(async () => {
    await Promise.all([...workers].map((worker) => worker.kill()));
    await platform.stop();
  });

  it("go to another worker when theirs dies", async () => {
    const creator = await platform.connectService(works, { log: SILENT_LOG });
    const first = await spawn();
    const text = gate();
    const job = await creator.jobs.tough.create({ n: 1, text }).orThrow();
    await eventually("it runs", () => runsOf(job.id).length > 0);
    const second = await spawn(1);
    await kill(first);
    await eventually("the other has it", () => beganBy(job.id, 2, second));
    writeFileSync(text, "");
    const result = await job.wait({ timeoutMs: 15_000 }).orThrow();
    expect(result).toEqual({ n: 1, worker: `${second.pid}/2` });
    expect(runsOf(job.id).filter((line) => line.includes("began"))).toHaveLength(2);
    await kill(second);
  }, 150_000);

  it("are handed out although the work queue lagged behind them when its server died", async () => {
    await using data = await connectData(platform);
    const { streams } = await jetstreamManager(data);
    await using service = await platform.connectService(works, { log: SILENT_LOG });
    service.handle.job.steady(({ payload }) => ok({ n: payload.n, worker: "one" }));
    await service.start();
    const before = await service.jobs.steady.create({ n: 1 }).orThrow();
    await before.wait({ timeoutMs: 10_000 }).orThrow();
    await eventually("the place is marked", async () => (await streams.info("JOBS_WORK")).state.messages === 1);
    // Filled no longer, as by a server that was paused; then something newer than the jobs it lacks is stored in it.
    const { config } = await streams.info("JOBS_WORK");
    await streams.update("JOBS_WORK", { ...config, sources: [], subjects: ["late"] });
    const lagging = await service.jobs.steady.createMany([{ n: 2 }, { n: 3 }]).orThrow();
    // Marked again after them, and no more until something happens: the queue has not got this mark either.
    await eventually("all of it is marked", async () => {
      const { state } = await streams.info("JOBS");
      const mark = await streams.getMessage("JOBS", { last_by_subj: "trellis.jobs._._._.filled" });
      return mark?.seq === state.last_seq;
    });
    await jetstream(data).publish("late");
    await streams.purge("JOBS_WORK", { filter: "late" });
    await streams.update("JOBS_WORK", { ...config, subjects: [] });
    const [node] = platform.local.nats.nodes;
    await node?.stop({ signal: "SIGKILL" });
    await node?.restart();
    expect(await lagging.wait({ timeoutMs: 20_000 }).orThrow()).toEqual([
      ok({ n: 2, worker: "one" }),
      ok({ n: 3, worker: "one" }),
    ]);
  });

  it("have one end although a paused worker wakes up after another has finished its job", async () => {
    const creator = await platform.connectService(works, { log: SILENT_LOG });
    const paused = await spawn();
    const text = gate();
    const job = await creator.jobs.tough.create({ n: 2, text }).orThrow();
    await eventually("it runs", () => runsOf(job.id).length > 0);
    paused.send("SIGSTOP");
    const other = await spawn(1);
    await eventually("the other has it", () => beganBy(job.id, 2, other));
    writeFileSync(text, "");
    const result = await job.wait({ timeoutMs: 15_000 }).orThrow();
    expect(result.worker).toBe(`${other.pid}/2`);
    paused.send("SIGCONT");
    await eventually("the paused one comes to its end", () =>
      runsOf(job.id).some((line) => line.endsWith(`1 ended ${paused.pid}`)),
    );
    await wait(500);
    await using data = await connectData(platform);
    const ends = endsOf(await storedRecords(data)).get(job.id);
    expect(ends?.map(({ event, body }) => [event, body.attempt])).toEqual([["completed", 2]]);
    expect(await job.wait({ timeoutMs: 1_000 }).orThrow()).toEqual(result);
    await Promise.all([kill(paused), kill(other)]);
  }, 150_000);

  it("of one group run one at a time also when their worker dies; a cancelled one makes room at once", async () => {
    const creator = await platform.connectService(works, { log: SILENT_LOG });
    const { shared } = creator.jobs;
    const first = await spawn();
    const texts = [gate(), gate(), gate()] as const;
    const group = { group: "customer 7" };
    const one = await shared.create({ n: 1, text: texts[0] }, group).orThrow();
    await eventually("the first runs", () => runsOf(one.id).length > 0);
    const two = await shared.create({ n: 2, text: texts[1] }, group).orThrow();
    const second = await spawn(1);
    await kill(first);
    // It finds its own seat, and nobody else takes it meanwhile.
    await eventually("the other has the first", () => beganBy(one.id, 2, second), 60_000);
    expect(runsOf(two.id)).toEqual([]);
    writeFileSync(texts[0], "");
    await one.wait({ timeoutMs: 30_000 }).orThrow();
    await eventually("the second runs", () => beganBy(two.id, 1, second), 60_000);
    const three = await shared.create({ n: 3, text: texts[2] }, group).orThrow();
    await kill(second);
    await two.cancel("its worker is dead").orThrow();
    const third = await spawn();
    await eventually("the third runs", () => beganBy(three.id, 1, third), 60_000);
    writeFileSync(texts[2], "");
    await three.wait({ timeoutMs: 30_000 }).orThrow();
    expect(runsOf(two.id)).toHaveLength(1);
    await kill(third);
  }, 240_000);

  it("are all done, each once, over two replicas and a NATS server that die at random", async () => {
    const seed = chosenSeed();
    console.log(`jobs-survive: TRELLIS_SEED=${seed}`);
    const random = randomOf(seed);
    const creator = await platform.connectService(works, { log: SILENT_LOG });
    const replicas = await Promise.all([spawn(0), spawn(1)]);
    const [node] = platform.local.nats.nodes;
    const over = new AbortController();
    const kills = { worker: 0, server: 0 };
    const nemesis = (async () => {
      while (!over.signal.aborted) {
        await wait(200 + random() * 900);
        if (over.signal.aborted) return;
        // Of every seed, one server at least.
        if ((kills.worker === 1 && kills.server === 0) || (random() < 0.2 && kills.server < 3)) {
          kills.server += 1;
          await node?.kill("SIGKILL");
          await wait(random() * 300);
          await node?.restart();
          continue;
        }
        const at = random() < 0.5 ? 0 : 1;
        const victim = replicas[at];
        if (victim === undefined) continue;
        kills.worker += 1;
        await kill(victim);
        replicas[at] = await spawn(at);
      }
    })();
    nemesis.catch(() => undefined);
    const accepting: ReturnType<typeof createOne>[] = [];
    const createOne = (n: number) =>
      creator.jobs.tough.create({ n, ms: Math.floor(random() * 150) }, { key: `${seed} ${n}` }).orThrow();
    while (accepting.length < 200 || kills.worker < 2 || kills.server < 1) {
      accepting.push(createOne(accepting.length));
      await wait(40);
    }
    const accepted = await Promise.all(accepting);
    const results = await Promise.all(accepted.map((job) => job.wait({ timeoutMs: 60_000 }).orThrow()));
    over.abort();
    await nemesis;
    expect(results.map(({ n }) => n)).toEqual(accepted.map((_, n) => n));
    // Whoever still thinks it runs one has the time to say so.
    await wait(2_500);
    await using data = await connectData(platform);
    const records = await storedRecords(data);
    const ends = endsOf(records);
    accepted.forEach(({ id }, n) => {
      expect(
        ends.get(id)?.map(({ event, body }) => ({ event, result: body.result })),
        id,
      ).toEqual([{ event: "completed", result: results[n] }]);
    });
    expect(records.filter(({ event, body }) => event === "created" && body.key?.startsWith(`${seed} `))).toHaveLength(
      accepted.length,
    );
    // And nothing is left to do. In queues of tests before nobody works; done work that came again waits there.
    await eventually("no work is left", async () => (await workLeft(data, "trellis.work.works.tough")) === 0);
    console.log(
      `jobs-survive: ${kills.worker} workers and ${kills.server} servers killed, ${records.filter(({ event }) => event === "started").length} claims`,
    );
  }, 120_000);
});

describe("jobs over three NATS servers", () => {
  it("are all done, each once, while each server in turn is killed and comes back", async () => {
    await using platform = await startPlatform({ nodes: 3 });
    await using data = await connectData(platform);
    const runs = new Map<string, number>();
    const services = await Promise.all(
      [0, 1].map(async (at) => {
        const service = await platform.connectService(works, { log: SILENT_LOG });
        service.handle.job.tough(async ({ payload, job }) => {
          runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
          await wait(payload.ms ?? 0);
          return ok({ n: payload.n, worker: `${at}/${job.attempt}` });
        });
        await service.start();
        return service;
      }),
    );
    const [creator] = services;
    if (creator === undefined) throw new Error("no service");
    const killing = (async () => {
      for (const node of platform.local.nats.nodes) {
        await wait(700);
        await node.kill("SIGKILL");
        await wait(1_200);
        await node.restart();
        await wait(1_500);
      }
    })();
    const accepted = await Promise.all(
      Array.from({ length: 150 }, async (_, n) => {
        await wait(n * 60);
        return creator.jobs.tough.create({ n, ms: n % 40 }, { key: `cluster ${n}` }).orThrow();
      }),
    );
    const results = await Promise.all(accepted.map((job) => job.wait({ timeoutMs: 60_000 }).orThrow()));
    await killing;
    await wait(2_000);
    const ends = endsOf(await eventually("the records can be read", () => storedRecords(data).catch(() => undefined)));
    accepted.forEach(({ id }, n) => {
      expect(
        ends.get(id)?.map(({ event, body }) => ({ event, result: body.result })),
        id,
      ).toEqual([{ event: "completed", result: results[n] }]);
    });
    console.log(
      `jobs-survive: ${[...runs.values()].reduce((a, b) => a + b, 0)} runs of 150 jobs while three servers were killed`,
    );
  }, 120_000);
});
