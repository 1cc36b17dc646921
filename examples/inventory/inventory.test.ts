// The example as people run it: each program a process of its own, from this folder's files, with nothing prepared.
import { join } from "node:path";
import { startPlatform, type Program, type TestPlatform } from "@trellis/testing";
import { afterAll, beforeAll, expect, it } from "vitest";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const run = (file: string): Program => platform.run(join(import.meta.dirname, file));

it(
  "sells what is there once, through two replicas, and keeps it over a restart of both",
  { timeout: 240_000 },
  async () => {
    {
      await using one = run("main.ts");
      await one.said("Serving.");
      await using two = run("main.ts");
      await two.said("Serving.");
      await using caller = run("caller.ts");
      expect(await caller.exited, caller.output).toMatchObject({ code: 0 });
      expect(caller.printed).toMatch(
        /^3 of 5 got one\n\{"items":\[\{"sku":"bell-brass","name":"Brass bell","count":0\}\]\}\ntoday.csv has 39 bytes\n1 item counted\n/,
      );
      await one.said("Brass bell has run out");
      await two.said("Brass bell has run out");
      for (const service of [one, two]) expect(await service.stop()).toMatchObject({ code: 0 });
    }
    await using again = run("main.ts");
    await again.said("Serving.");
    await using caller = run("caller.ts");
    expect(await caller.exited, caller.output).toMatchObject({ code: 0 });
    expect(caller.printed).toContain('"count":0}');
  },
);
