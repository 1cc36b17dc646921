// The example as people run it: each program a process of its own, with nothing prepared.
import { join } from "node:path";
import { startPlatform, type Program, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, expect, it } from "vitest";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const run = (file: string): Program => platform.run(join(import.meta.dirname, file));

it("pays once although the bank was away, waits for an approval, and fails for good what was paid before", async () => {
  await using service = run("main.ts");
  await service.said("Serving.");
  await using caller = run("caller.ts");
  expect(await caller.exited, caller.output).toMatchObject({ code: 0 });
  expect(caller.printed).toContain("completed: attempt 2, 80 %\no_1-500\n");
  expect(caller.printed).toContain("{ receipt: 'o_2-50000', approvedBy: 'Ada' }");
  expect(caller.printed).toContain("The order o_0 was paid back before.");
});
