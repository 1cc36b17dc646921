import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import type { TrellisClient } from "@trellis/client/node";
import { JobEnded } from "@trellis/jobs";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import type { TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { eventually } from "./resilience/kit/eventually.ts";

const kitchen = defineServiceContract(
  { schemas: { Dish: Type.Object({ name: Type.String() }), Plate: Type.Object({ text: Type.String() }) } },
  (ref) => ({
    id: "kitchen@v1",
    displayName: "Kitchen",
    description: "Serves what its ovens bake.",
    jobs: { oven: { payload: ref.schema("Dish"), result: ref.schema("Plate"), ackWaitMs: 2_000, backoffMs: [50] } },
    operations: {
      "Kitchen.Serve": {
        version: "v1",
        input: ref.schema("Dish"),
        output: ref.schema("Plate"),
        capabilities: { call: [], cancel: [] },
        backoffMs: [50],
      },
    },
  }),
);
const guest = defineAgentContract({
  id: "guest@v1",
  displayName: "Guest",
  description: "Orders.",
  uses: { required: { kitchen: kitchen.use({ operations: { call: ["Kitchen.Serve"] } }) } },
});

describe("an operation with a job of its own", () => {
  let platform: TestPlatform;
  let service: TrellisService<typeof kitchen>;
  let caller: TrellisClient<typeof guest>;
  const baked: string[] = [];
  const stopped: string[] = [];
  const hot = Promise.withResolvers<void>();

  beforeAll(async () => {
    platform = await startPlatform();
    service = await platform.connectService(kitchen, { log: SILENT_LOG });
    service.handle.job.oven(async ({ payload, job, signal }) => {
      baked.push(payload.name);
      if (payload.name === "burnt") return job.fail("it burnt");
      if (payload.name === "slow bread") await hot.promise;
      if (payload.name === "endless stew")
        await new Promise((_, reject) =>
          signal.addEventListener("abort", () => {
            stopped.push(payload.name);
            reject(signal.reason);
          }),
        );
      return ok({ text: `baked ${payload.name}` });
    });
    service.handle.operation.kitchen.serve(async ({ input, op, attempt }) => {
      // The key makes it one job, whoever goes on with the operation.
      const job = await service.jobs.oven.create({ name: input.name }, { key: op.id }).orThrow();
      const attached = op.attach(job);
      if (input.name === "slow bread") await op.step("lay the table", () => 1);
      if (input.name === "slow bread" && attempt === 1) throw new Error("the waiter fell");
      const result = await attached;
      if (result.ok) return ok({ text: `${result.value.text}, attempt ${attempt}` });
      return ok({ text: result.error instanceof JobEnded ? `the job is ${result.error.state}` : "?" });
    });
    await service.start();
    caller = await platform.connectClient(guest);
  });
  afterAll(() => platform.stop());
  const serve = (name: string) => caller.operation.kitchen.serve.start({ name }).orThrow();
  const kindsOf = async (id: string) => {
    const answer = await platform.admin.rpc.trellis.operationsGet({ operation: "Kitchen.Serve", id }).orThrow();
    return answer.history.map(({ kind, name }) => (kind === "attached" ? `attached ${name}` : kind));
  };

  it("answers what the job answers, and its history names the job", async () => {
    const started = await serve("bread");
    expect(await started.wait({ timeoutMs: 20_000 }).orThrow()).toEqual({ text: "baked bread, attempt 1" });
    expect(await kindsOf(started.id)).toEqual(["claimed", expect.stringMatching(/^attached oven /), "completed"]);
  });

  it("comes back to the same job in a later attempt", async () => {
    const started = await serve("slow bread");
    await eventually("it is tried again", async () => (await started.get().orThrow()).attempt === 2);
    hot.resolve();
    expect(await started.wait({ timeoutMs: 20_000 }).orThrow()).toEqual({ text: "baked slow bread, attempt 2" });
    expect(baked.filter((name) => name === "slow bread")).toHaveLength(1);
    const kinds = await kindsOf(started.id);
    expect(kinds.filter((kind) => kind.startsWith("attached"))).toHaveLength(1);
    expect(kinds.filter((kind) => kind === "claimed")).toHaveLength(2);
  });

  it("hears how a job ended that failed", async () => {
    const started = await serve("burnt");
    expect(await started.wait({ timeoutMs: 20_000 }).orThrow()).toEqual({ text: "the job is failed" });
  });

  it("takes the job with it when it is cancelled", async () => {
    const started = await serve("endless stew");
    await eventually("the job runs", () => baked.includes("endless stew"));
    await eventually("it is attached", async () => (await kindsOf(started.id)).length === 2);
    await started.cancel("the guest has left").orThrow();
    await eventually("the job's handler is told", () => stopped.includes("endless stew"));
    // Its handler answered in time, so that is the truth.
    expect(await started.wait({ timeoutMs: 20_000 }).orThrow()).toEqual({ text: "the job is cancelled" });
  });
});
