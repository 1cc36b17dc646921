import { jetstreamManager } from "@nats-io/jetstream";
import { defineServiceContract, NO_BINDINGS } from "@trellis/contracts";
import { createServiceJobs } from "@trellis/jobs/internal";
import { SILENT_LOG } from "@trellis/server";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { linkByHand } from "../../server/test/link-by-hand.ts";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { connectData } from "./jobs/direct.ts";
import { heldLink } from "./jobs/held-link.ts";
import { eventually } from "./resilience/kit/eventually.ts";

/** Nothing comes again by itself within the test. */
const forge = defineServiceContract({ schemas: { Task: Type.Object({}) } }, (ref) => ({
  id: "forge@v1",
  displayName: "Forge",
  description: "Runs jobs whose answers from the stream are late.",
  jobs: { strike: { payload: ref.schema("Task"), ackWaitMs: 60_000, maxDeliver: 1 } },
}));

describe("a worker whose stream answers late", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
    await (await platform.connectService(forge, { log: SILENT_LOG })).stop();
  });
  afterAll(() => platform.stop());

  async function worker() {
    const inner = await linkByHand(platform);
    const { link, hold } = heldLink(inner);
    const runtime = createServiceJobs({
      contract: forge,
      link,
      service: "forge",
      instance: "late",
      bindings: () => ({ ...NO_BINDINGS, jobs: { strike: { stream: "JOBS_WORK", consumer: "forge_strike" } } }),
      nowMs: Date.now,
      log: SILENT_LOG,
      client: undefined,
      deps: undefined,
    });
    const stop = async (): Promise<void> => {
      await runtime.drain(1_000);
      await inner.close();
    };
    return { runtime, hold, [Symbol.asyncDispose]: stop };
  }

  it("runs the next life of a job that was tried again before it heard that the last one has ended", async () => {
    await using late = await worker();
    const attempts: number[] = [];
    late.runtime.handle.strike(({ job }) => {
      attempts.push(job.fence);
      if (attempts.length === 1) throw new Error("cold");
    });
    late.runtime.start();
    const end = late.hold(".dead");
    const job = await late.runtime.jobs.strike.create({}).orThrow();
    const hear = await end;
    await platform.admin.rpc.jobs.replayDLQ({ id: job.id }).orThrow();
    // Handed to the same worker, which still waits to hear of the end.
    await using data = await connectData(platform);
    const { consumers } = await jetstreamManager(data);
    await eventually("its next item is handed out", async () => {
      const { delivered } = await consumers.info("JOBS_WORK", "forge_strike");
      return delivered.consumer_seq === 2;
    });
    hear();
    expect(await job.wait({ timeoutMs: 20_000 })).toMatchObject({ ok: true });
    expect(attempts).toHaveLength(2);
  });

  it("begins no handler when it already wants to stop", async () => {
    await using late = await worker();
    let begun = false;
    late.runtime.handle.strike(() => {
      begun = true;
    });
    late.runtime.start();
    const claim = late.hold(".started");
    const job = await late.runtime.jobs.strike.create({}).orThrow();
    const hear = await claim;
    const drained = late.runtime.drain(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    hear();
    await drained;
    expect(begun).toBe(false);
    // Given back, not failed.
    expect(await job.state().orThrow()).toBe("retry");
  });
});
