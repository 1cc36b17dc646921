// The example as people run it: each program a process of its own, from this folder's files, with nothing prepared.
import { join } from "node:path";
import { startPlatform, type Program, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import screen from "./screen.ts";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const run = (file: string): Program => platform.run(join(import.meta.dirname, file));

it("follows a van, also while the replica it follows it through is replaced", async () => {
  await using first = run("main.ts");
  await first.said("Serving.");
  await using reader = run("follow.ts");
  expect(await reader.exited, reader.output).toMatchObject({ code: 0 });
  const steps = reader.printed
    .split("\n")
    .flatMap((line) => (/^\d+ blue /.test(line) ? [Number.parseInt(line, 10)] : []));
  expect(steps).toEqual(Array.from({ length: 10 }, (_, at) => (steps[0] ?? 0) + at));

  const client = await platform.connectClient(screen);
  const seen: number[] = [];
  await using services = new AsyncDisposableStack();
  for await (const { step } of client.feed.vans.positions({ van: "red" })) {
    seen.push(step);
    if (seen.length === 5) {
      const second = services.use(run("main.ts"));
      await second.said("Serving.");
      expect(await first.stop()).toMatchObject({ code: 0 });
    }
    if (seen.length === 20) break;
  }
  expect(seen).toEqual(Array.from({ length: 20 }, (_, at) => (seen[0] ?? 0) + at));
});
