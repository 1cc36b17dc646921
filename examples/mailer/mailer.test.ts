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

it("delivers two letters, one at the second try, and gives up the third at once", async () => {
  await using service = run("main.ts");
  await service.said("Serving.");
  await using caller = run("caller.ts");
  expect(await caller.exited, caller.output).toMatchObject({ code: 0 });
  expect(caller.printed.match(/: job \S+/g)).toHaveLength(3);
  const ended = async () => {
    const { jobs } = await platform.admin.rpc.jobs.list({ service: "mailer", queue: "letters" }).orThrow();
    return jobs.toReversed().map(({ state, attempt, problem }) => ({ state, attempt, problem: problem?.message }));
  };
  const wanted = [
    { state: "completed", attempt: 1, problem: undefined },
    { state: "completed", attempt: 2, problem: undefined },
    { state: "failed", attempt: 1, problem: '"nobody" is no address' },
  ];
  await expect.poll(ended, { timeout: 30_000 }).toEqual(wanted);
});
