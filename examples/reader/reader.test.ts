// The example as people run it: each program a process of its own, from this folder's files, with nothing prepared.
import { join } from "node:path";
import { defineAgentContract } from "@trellis/contracts";
import { startPlatform, type Program, type TestPlatform } from "@trellis/testing";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, it } from "vitest";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const run = (file: string, ...args: string[]): Program => platform.run(join(import.meta.dirname, file), { args });

/** The contract as it was before it knew sizes. */
const firstReader = defineAgentContract({ schemas: { Look: Type.Object({ dark: Type.Boolean() }) } }, (ref) => ({
  id: "reader@v1",
  displayName: "Reader",
  description: "Reads books, and remembers how.",
  state: { look: { kind: "value", schema: ref.schema("Look") } },
}));

it("remembers places for every device, and reads what its first version stored", { timeout: 240_000 }, async () => {
  const old = await platform.connectClient(firstReader);
  await old.state.look.put({ dark: true }).orThrow();

  await using following = run("follow.ts");
  await following.said("that is all there is");
  await using first = run("read.ts", "moby-dick", "42");
  expect(await first.exited, first.output).toMatchObject({ code: 0 });
  expect(first.printed).toContain("moby-dick is new");
  expect(first.printed).toContain("page 42 of moby-dick, dark, 12 points");
  await following.said("moby-dick is open at page 42");
  await using second = run("read.ts", "moby-dick", "43");
  expect(await second.exited, second.output).toMatchObject({ code: 0 });
  expect(second.printed).toContain("moby-dick was open at page 42");
  await following.said("moby-dick is open at page 43");
});
