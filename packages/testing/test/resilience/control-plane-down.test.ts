import { setTimeout as pause } from "node:timers/promises";
import { AUTH_CHANGES, TransportError } from "@trellis/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { handOverToOne, isReady, metric, spawnControlPlane } from "./kit/control-planes.ts";
import type { ControlPlaneProcess } from "./kit/control-planes.ts";
import { eventually } from "./kit/eventually.ts";
import { startLoad } from "./kit/load.ts";
import type { Program } from "../../src/program.ts";
import { QUIET } from "./kit/quiet.ts";
import { boss } from "./kit/work-contract.ts";
import { spawnWorker } from "./kit/workers.ts";

describe("without a control plane", () => {
  let platform: TestPlatform;
  let controlPlane: ControlPlaneProcess;
  let worker: Program;
  beforeAll(async () => {
    platform = await startPlatform();
    controlPlane = await handOverToOne(platform);
    worker = await spawnWorker(platform, { url: controlPlane.url });
  });
  afterAll(async () => {
    await worker.kill();
    await controlPlane.program.kill();
    await platform.stop();
  });

  const connect = () => platform.connectClient(boss, { url: controlPlane.url, ...QUIET });

  it("is not asked for each call: thousands of calls, hardly a question", async () => {
    const client = await connect();
    await client.rpc.work.do({ n: 0 }).orThrow();
    const before = await metric(controlPlane.url, "trellis_validations_total");
    const load = startLoad((n) => client.rpc.work.do({ n }), { atOnce: 16, pauseMs: 0 });
    await eventually("two thousand calls", () => load.answered >= 2_000);
    await load.stop();
    expect(load.failures).toEqual([]);
    // A lease may end within these seconds, and then it is one question for all.
    expect((await metric(controlPlane.url, "trellis_validations_total")) - before).toBeLessThanOrEqual(2);
  });

  it.each(["SIGSTOP", "SIGKILL"] as const)(
    "(%s): known sessions go on, new ones are told to try again",
    async (signal) => {
      if (!controlPlane.program.running) throw new Error("The control plane is gone already.");
      const [known, stranger] = await Promise.all([connect(), connect()]);
      await known.rpc.work.do({ n: 1 }).orThrow();
      controlPlane.program.send(signal);
      const load = startLoad((n) => known.rpc.work.do({ n }), { atOnce: 4, pauseMs: 5 });
      // Long enough for the service to notice the silence and to ask in vain.
      await pause(AUTH_CHANGES.silenceMs + 3_000);
      const refused = await stranger.rpc.work.do({ n: 2 });
      expect(refused).toMatchObject({ ok: false, error: { code: "retry_later" } });
      expect(!refused.ok && refused.error).toBeInstanceOf(TransportError);
      const before = load.answered;
      await eventually("known sessions go on", () => load.answered > before + 50);
      await load.stop();
      expect(load.failures).toEqual([]);

      if (signal === "SIGSTOP") controlPlane.program.send("SIGCONT");
      else controlPlane = await spawnControlPlane(platform.local);
      await eventually("the control plane is ready", () => isReady(controlPlane.url));
      await eventually("the stranger is believed", async () => (await stranger.rpc.work.do({ n: 3 })).ok);
      expect((await known.rpc.work.do({ n: 4 })).ok).toBe(true);
    },
  );
});
