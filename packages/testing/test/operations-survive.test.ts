import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { TrellisClient } from "@trellis/client/node";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import type { Program } from "../src/program.ts";
import { connectData } from "./jobs/direct.ts";
import { billing, shop } from "./operations/contract.ts";
import { storedOperations } from "./operations/stored-operations.ts";
import { BillingWorkers } from "./operations/workers.ts";
import { eventually } from "./resilience/kit/eventually.ts";
import { chosenSeed, randomOf } from "./resilience/kit/random.ts";

describe("operations whose processes are killed", () => {
  let platform: TestPlatform;
  let caller: TrellisClient<typeof shop>;
  let workers: BillingWorkers;
  let gates = 0;
  const gate = (): string => join(platform.local.directory, `gate-${(gates += 1)}`);

  beforeAll(async () => {
    platform = await startPlatform();
    await (await platform.connectService(billing, { log: SILENT_LOG })).stop();
    caller = await platform.connectClient(shop);
    workers = new BillingWorkers(platform);
  });
  // One that failed must not fail those after it.
  afterEach(() => workers.killAll());
  afterAll(() => platform.stop());

  it("go on elsewhere with their steps, and whoever watches or waits hears no error", async () => {
    const first = await workers.spawn();
    const how = gate();
    const started = await caller.operation.billing.refund.start({ order: "k1", how }, { key: "k1" }).orThrow();
    const ran = caller.operation.billing.refund.run({ order: "k1", how }, { key: "k1", timeoutMs: 60_000 });
    const watched = (async () => {
      const seen: { state: string; attempt: number }[] = [];
      for await (const { snapshot } of started.watch()) seen.push({ state: snapshot.state, attempt: snapshot.attempt });
      return seen;
    })();
    const waited = started.wait({ timeoutMs: 60_000 });
    await eventually("two steps are remembered", () => workers.linesOf(started.id).length >= 3);
    const second = await workers.spawn();
    await workers.kill(first);
    writeFileSync(how, "");
    const result = await waited.orThrow();
    const lines = workers.linesOf(started.id);
    expect(lines.filter((line) => line.startsWith("step"))).toHaveLength(3);
    expect(result.by.split(" ").map((value) => Number(value.split(".")[0]))).toEqual([
      first.pid,
      first.pid,
      second.pid,
    ]);
    expect(await ran.orThrow()).toEqual(result);
    const seen = await watched;
    // It got further before its replica died, so that was no attempt.
    expect(seen.at(-1)).toEqual({ state: "completed", attempt: 1 });
    await workers.kill(second);
  }, 120_000);

  it("have one end although a paused replica wakes up after another has finished", async () => {
    const paused = await workers.spawn();
    const how = gate();
    const started = await caller.operation.billing.refund.start({ order: "k2", how }).orThrow();
    await eventually("two steps are remembered", () => workers.linesOf(started.id).length >= 3);
    paused.send("SIGSTOP");
    const other = await workers.spawn();
    writeFileSync(how, "");
    const result = await started.wait({ timeoutMs: 60_000 }).orThrow();
    expect(result.by.endsWith(`${other.pid}.1`)).toBe(true);
    await using data = await connectData(platform);
    const before = (await storedOperations(data, "billing")).get(started.id);
    paused.send("SIGCONT");
    // It comes to its own third step, or is told before: either way it writes nothing.
    await eventually("the paused one is told", () =>
      workers.linesOf(started.id).some((line) => line === `aborted 1 ${paused.pid}`),
    );
    const after = (await storedOperations(data, "billing")).get(started.id);
    expect(after).toEqual(before);
    expect(after?.map(({ record }) => record.kind)).toEqual(["completed"]);
    expect(await started.wait({ timeoutMs: 10_000 }).orThrow()).toEqual(result);
    await Promise.all([workers.kill(paused), workers.kill(other)]);
  }, 120_000);

  it("are given back by a replica that is asked to stop", async () => {
    const how = gate();
    const first = await workers.spawn();
    const started = await caller.operation.billing.refund.start({ order: "k3", how }).orThrow();
    await eventually("two steps are remembered", () => workers.linesOf(started.id).length >= 3);
    const second = await workers.spawn();
    const stopped = first.stop();
    await wait(500);
    writeFileSync(how, "");
    // It finishes what it has in hand.
    const result = await started.wait({ timeoutMs: 60_000 }).orThrow();
    expect(result.by.split(" ").every((value) => value.startsWith(`${first.pid}.`))).toBe(true);
    await stopped;
    await workers.kill(first);
    await workers.kill(second);
  }, 120_000);

  it("are put into the queue again when their item was removed and their replica has died", async () => {
    const first = await workers.spawn();
    const started = await caller.operation.billing.refund.start({ order: "k4", how: gate() }).orThrow();
    await eventually("two steps are remembered", () => workers.linesOf(started.id).length >= 3);
    await using data = await connectData(platform);
    const item = await data.request(
      "$JS.API.STREAM.MSG.GET.OPS_WORK_billing",
      JSON.stringify({ last_by_subj: `trellis.ops.billing.work.Billing-Refund.${started.id}` }),
    );
    const { seq } = item.json<{ message: { seq: number } }>().message;
    // As the late acknowledgement of a replica that was overtaken would.
    await data.request("$JS.API.STREAM.MSG.DELETE.OPS_WORK_billing", JSON.stringify({ seq }));
    await workers.kill(first);
    await using second = await platform.connectService(billing, {
      log: SILENT_LOG,
      limits: { operationSweepMs: 2_000 },
    });
    second.handle.operation.billing.refund(({ input }) => ok({ order: input.order, by: "the second" }));
    second.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
    await second.start();
    expect(await started.wait({ timeoutMs: 90_000 }).orThrow()).toEqual({ order: "k4", by: "the second" });
  }, 150_000);

  it("are all brought to one end over two replicas and a NATS server that die at random", async () => {
    const seed = chosenSeed();
    console.log(`operations-survive: TRELLIS_SEED=${seed}`);
    const random = randomOf(seed);
    const replicas: Program[] = await Promise.all([workers.spawn(), workers.spawn()]);
    const [node] = platform.local.nats.nodes;
    const over = new AbortController();
    const kills = { replica: 0, paused: 0, server: 0 };
    const nemesis = (async () => {
      while (!over.signal.aborted) {
        await wait(500 + random() * 1_500);
        if (over.signal.aborted) return;
        const at = random() < 0.5 ? 0 : 1;
        const victim = replicas[at];
        if (victim === undefined) continue;
        // Of every seed, one of each.
        const choice = kills.replica === 0 ? 1 : kills.server === 0 ? 0 : kills.paused === 0 ? 0.3 : random();
        if (choice < 0.15 && kills.server < 3) {
          kills.server += 1;
          await node?.kill("SIGKILL");
          await wait(random() * 300);
          await node?.restart();
        } else if (choice < 0.4) {
          kills.paused += 1;
          victim.send("SIGSTOP");
          await wait(random() * 3_000);
          victim.send("SIGCONT");
        } else {
          kills.replica += 1;
          await workers.kill(victim);
          replicas[at] = await workers.spawn();
        }
      }
    })();
    nemesis.catch(() => undefined);
    const accepted: Promise<{ id: string; output: { order: string; by: string } }>[] = [];
    while (accepted.length < 60 || Math.min(kills.replica, kills.server, kills.paused) === 0) {
      const n = accepted.length;
      const start = async () => {
        const input = { order: `r${n}`, ms: Math.floor(random() * 100) };
        const started = await caller.operation.billing.refund
          .start(input, { key: `${seed} ${n}`, timeoutMs: 60_000 })
          .orThrow();
        return { id: started.id, output: await started.wait({ timeoutMs: 150_000 }).orThrow() };
      };
      accepted.push(start());
      await wait(100);
    }
    const results = await Promise.all(accepted);
    over.abort();
    await nemesis;
    await using data = await connectData(platform);
    const stored = await storedOperations(data, "billing");
    for (const [n, { id, output }] of results.entries()) {
      expect(output.order).toBe(`r${n}`);
      // One record is left of each, and it says what the caller heard.
      expect(stored.get(id)?.map(({ record }) => [record.kind, record.snapshot.output])).toEqual([
        ["completed", output],
      ]);
      // The recorded result of a step is that of the last time it ran: it never ran again after that.
      for (const [at, name] of ["one", "two", "three"].entries()) {
        const ran = workers.linesOf(id).filter((line) => line.startsWith(`step ${name} `));
        expect(ran.at(-1), `${id} ${name}`).toBe(`step ${name} ${output.by.split(" ")[at]}`);
      }
    }
    await eventually("no work is left", async () => {
      const info = await data.request("$JS.API.STREAM.INFO.OPS_WORK_billing", "");
      return info.json<{ state: { messages: number } }>().state.messages === 0;
    });
    console.log(`operations-survive: ${JSON.stringify(kills)}`);
    await Promise.all(replicas.map((each) => workers.kill(each)));
  }, 240_000);
});
