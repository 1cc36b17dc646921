import { ok } from "@trellis/result";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { isReady } from "./kit/control-planes.ts";
import { eventually } from "./kit/eventually.ts";
import { QUIET } from "./kit/quiet.ts";
import { codesOf, startLoad } from "./kit/load.ts";
import type { Program } from "../../src/program.ts";
import { boss, chores, household, work } from "./kit/work-contract.ts";
import { spawnWorker } from "./kit/workers.ts";

/** What a caller may be told while there is no server, or a service is not back yet. */
const OUTAGE_CODES = ["disconnected", "no_responders", "retry_later", "timeout"];

describe("one nats-server, killed and restarted", () => {
  let platform: TestPlatform;
  let worker: Program;
  beforeAll(async () => {
    platform = await startPlatform();
    worker = await spawnWorker(platform);
  });
  afterAll(async () => {
    await worker.kill();
    await platform.stop();
  });

  it("ends no process and no session: calls in flight end clearly, later ones work, twice", async () => {
    const here = await platform.connectService(chores);
    here.handle.rpc.chores.do(({ input }) => ok({ n: input.n, pid: process.pid }));
    await here.start();
    const [node] = platform.local.nats.nodes;
    const client = await platform.connectClient(household, QUIET);
    const states: string[] = [];
    client.connection.onChange((state) => states.push(state));
    const loads = [
      startLoad((n) => client.rpc.work.do({ n, ms: n % 3 === 0 ? 20 : 0 }, { timeoutMs: 2_000 }), { atOnce: 6 }),
      startLoad((n) => client.rpc.chores.do({ n }, { timeoutMs: 2_000 }), { atOnce: 2 }),
    ];
    for (let round = 0; round < 2; round += 1) {
      const before = loads.map((load) => load.answered);
      await eventually("calls are answered", () => loads.every((load, at) => load.answered > (before[at] ?? 0) + 20));
      await node?.kill("SIGKILL");
      await eventually("the loss is noticed", () => client.connection.state === "reconnecting");
      await node?.restart();
      await eventually("the client is back", () => client.connection.state === "connected");
      for (const load of loads) {
        const failed = load.failures.length;
        const answered = load.answered;
        await eventually("calls are answered again", () => load.answered > answered + 20);
        expect(load.failures.length).toBeGreaterThanOrEqual(failed);
      }
      await eventually("the control plane is ready", () => isReady(platform.url));
    }
    await Promise.all(loads.map((load) => load.stop()));
    expect(OUTAGE_CODES).toEqual(expect.arrayContaining([...codesOf(loads.flatMap((load) => load.failures))]));
    expect(states).toEqual(["reconnecting", "connected", "reconnecting", "connected"]);
    expect(worker.running).toBe(true);

    // Nothing is left waiting, and everything of the platform works: calls, registry, new connections.
    expect(client.connection.waiting).toBe(0);
    const settled = await Promise.all(Array.from({ length: 50 }, (_, n) => client.rpc.work.do({ n })));
    expect(settled.filter((result) => !result.ok)).toEqual([]);
    await platform.admin.rpc.auth.deploymentsCreate({ name: "after" }).orThrow();
    const late = await platform.connectClient(boss, QUIET);
    expect(await late.rpc.work.do({ n: 1 }).orThrow()).toEqual({ n: 1, pid: worker.pid });
  });
});

describe("one of three nats-servers, killed and restarted", () => {
  it("leaves calls and the control plane at work all the while", async () => {
    await using platform = await startPlatform({ nodes: 3 });
    const services = await Promise.all(
      [0, 1, 2].map(async () => {
        const service = await platform.connectService(work, { name: "work" });
        service.handle.rpc.work.do(({ input }) => ok({ n: input.n, pid: process.pid }));
        await service.start();
        return service;
      }),
    );
    const client = await platform.connectClient(boss, QUIET);
    const load = startLoad((n) => client.rpc.work.do({ n }, { timeoutMs: 1_500 }), { atOnce: 4 });
    for (const node of platform.local.nats.nodes) {
      const before = load.answered;
      await eventually("calls are answered", () => load.answered > before + 20);
      await node.kill("SIGKILL");
      // Two servers are left, so nobody waits for the third.
      const during = load.answered;
      await eventually("calls are answered without it", () => load.answered > during + 20);
      await eventually("the control plane writes without it", async () => {
        const name = `without-${node.name.toLowerCase().replaceAll(/[^a-z0-9]/g, "")}`;
        return (
          (await platform.admin.rpc.auth.deploymentsCreate({ name })).ok ||
          (await platform.admin.rpc.auth.deploymentsGet({ deployment: name })).ok
        );
      });
      await node.restart();
    }
    await load.stop();
    expect(OUTAGE_CODES).toEqual(expect.arrayContaining([...codesOf(load.failures)]));
    await eventually("all are connected", () =>
      [client, ...services].every(({ connection }) => connection.state === "connected"),
    );
    await eventually("the control plane is ready", () => isReady(platform.url));
    const settled = await Promise.all(Array.from({ length: 50 }, (_, n) => client.rpc.work.do({ n })));
    expect(settled.filter((result) => !result.ok)).toEqual([]);
  });
});
