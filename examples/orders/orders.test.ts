// The example as people run it: each program a process of its own, from this folder's files, with nothing prepared.
import { join } from "node:path";
import { startPlatform, type Program, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

describe("examples/orders", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  const run = (file: string): Program => platform.run(join(import.meta.dirname, file));

  it("serves a declared answer and a declared error, and drains when asked to stop", async () => {
    await using service = run("main.ts");
    await service.said("Serving.");

    await using caller = run("caller.ts");
    expect(await caller.exited, caller.output).toMatchObject({ code: 0 });
    expect(caller.printed).toBe('{"id":"o_1","item":"A blue bicycle","status":"placed"}\nNo order o_404\n');

    await using careful = run("careful-caller.ts");
    expect(await careful.exited, careful.output).toMatchObject({ code: 0 });
    expect(careful.printed).toBe("No order o_404; is the number right?\n");

    expect(await service.stop()).toMatchObject({ code: 0 });
  });

  it("introduces itself to a local platform once, and is known the second time", async () => {
    await using first = run("main.ts");
    await first.said("Serving.");
    await first.stop();
    await using second = run("main.ts");
    await second.said("Serving.");
    const { deployments } = await platform.admin.rpc.auth.deploymentsList({}).orThrow();
    expect(deployments.map(({ name, contractId, mode }) => ({ name, contractId, mode }))).toEqual([
      { name: "orders", contractId: "orders@v1", mode: "mutable-dev" },
    ]);
  });
});
