import { join } from "node:path";
import { defineServiceContract } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { type LocalFolder, startInFolder } from "./local-folder.ts";
import { runCaptured } from "./run-captured.ts";

const bakery = defineServiceContract(
  {
    schemas: {
      Recipe: Type.Object({ name: Type.String() }),
      Baked: Type.Object({ name: Type.String() }),
      Progress: Type.Object({ percent: Type.Number() }),
      Taste: Type.Object({ good: Type.Boolean() }),
    },
  },
  (ref) => ({
    id: "bakery@v1",
    displayName: "Bakery",
    description: "Bakes.",
    operations: {
      "Bread.Bake": {
        version: "v1",
        input: ref.schema("Recipe"),
        progress: ref.schema("Progress"),
        output: ref.schema("Baked"),
        signals: { taste: { input: ref.schema("Taste") } },
        capabilities: { call: [], cancel: [] },
        maxAttempts: 1,
      },
      "Bread.Slice": { version: "v1", input: ref.schema("Recipe"), output: ref.schema("Baked") },
    },
  }),
);

let folder: LocalFolder;
let service: TrellisService<typeof bakery>;
let broken = false;

beforeAll(async () => {
  folder = await startInFolder();
  service = await TrellisService.connect({
    contract: bakery,
    env: { TRELLIS_DIR: join(folder.cwd, ".trellis") },
    cwd: folder.cwd,
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  service.handle.operation.bread.bake(async ({ input, op }) => {
    op.progress({ percent: 50 });
    await op.step("knead", () => 1);
    if (broken) throw new Error("the oven is cold");
    if (input.name === "slow") await op.nextSignal("taste");
    return ok({ name: input.name });
  });
  service.handle.operation.bread.slice(({ input }) => ok(input));
  await service.start();
});
afterAll(async () => {
  await service?.stop();
  await folder[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(args, { cwd: folder.cwd });

test("one is started, followed to its end, and its output printed; watched later it says the same", async () => {
  const { stdout, stderr, exitCode } = await trellis("start", "Bread.Bake", '{"name":"rye"}');
  expect(exitCode).toBe(EXIT.ok);
  expect(JSON.parse(stdout)).toEqual({ name: "rye" });
  expect(stderr).toContain("completed");
  const { operations } = JSON.parse((await trellis("operations", "list", "--json")).stdout);
  expect(operations).toMatchObject([{ operation: "Bread.Bake", state: "completed", service: "bakery" }]);
  const [{ id }] = operations;
  expect(JSON.parse((await trellis("watch", "Bread.Bake", id)).stdout)).toEqual({ name: "rye" });
  const { stdout: shown } = await trellis("operations", "show", "Bread.Bake", id);
  expect(shown).toContain('input     {"name":"rye"}');
  expect(shown).toMatch(/step +1 +knead/);
});

test("started with a key and left, it is there once, and an operator can cancel it", async () => {
  const start = () => trellis("start", "Bread.Bake", '{"name":"slow"}', "--key", "one", "--detach", "--json");
  const { id, created } = JSON.parse((await start()).stdout);
  expect(created).toBe(true);
  expect(JSON.parse((await start()).stdout)).toMatchObject({ id, created: false });
  const cancelled = await trellis("operations", "cancel", "Bread.Bake", id, "--reason", "nobody is hungry");
  expect(cancelled.exitCode).toBe(EXIT.ok);
  const watched = await trellis("watch", "Bread.Bake", id);
  expect(watched).toMatchObject({ stdout: "", exitCode: EXIT.refused });
  expect(watched.stderr).toContain("was cancelled");
});

test("one that failed begins again when an operator says so", async () => {
  broken = true;
  const failed = await trellis("start", "Bread.Bake", '{"name":"oat"}');
  expect(failed.exitCode).not.toBe(EXIT.ok);
  const { stdout } = await trellis("operations", "list", "--state", "failed", "--json");
  const [{ id }] = JSON.parse(stdout).operations;
  broken = false;
  expect((await trellis("operations", "retry", "Bread.Bake", id)).stdout).toContain("begins again");
  expect(JSON.parse((await trellis("watch", "Bread.Bake", id)).stdout)).toEqual({ name: "oat" });
});

test("they are listed by service and operation, in pages, and each is found by its id", async () => {
  const ids = async (...args: string[]): Promise<readonly string[]> =>
    JSON.parse((await trellis("operations", "list", ...args, "--json")).stdout).operations.map(
      ({ id }: { id: string }) => id,
    );
  const made: string[] = [];
  for (const name of ["a", "b", "c"])
    made.push((await trellis("start", "Bread.Slice", JSON.stringify({ name }), "--detach")).stdout.trim());
  const sliced = ["--service", "bakery", "--operation", "Bread.Slice"];
  await expect.poll(() => ids(...sliced, "--state", "completed"), { timeout: 20_000 }).toHaveLength(3);
  expect(new Set(await ids(...sliced))).toEqual(new Set(made));
  expect((await ids("--operation", "Bread.Bake")).some((id) => made.includes(id))).toBe(false);
  expect((await trellis("operations", "list", "--service", "nobody")).exitCode).toBe(EXIT.notFound);
  expect((await trellis("operations")).stdout).toContain("Bread.Slice");
  const first = JSON.parse((await trellis("operations", "list", ...sliced, "--limit", "2", "--json")).stdout);
  const rest = await ids(...sliced, "--cursor", first.nextCursor);
  expect([...first.operations.map(({ id }: { id: string }) => id), ...rest].sort()).toEqual([...made].sort());

  const { stdout } = await trellis(
    "start",
    "Bread.Bake",
    '{"name":"slow"}',
    "--key",
    "found",
    "--service",
    "bakery",
    "--detach",
  );
  const id = stdout.trim();
  for (const [verb, ...more] of [["show"], ["cancel", "--reason", "x"], ["retry"]] as const) {
    const asked = (one: string) => trellis("operations", verb, "Bread.Bake", one, ...more);
    expect((await asked(id.replace("bakery", "nobody"))).exitCode, verb).toBe(EXIT.notFound);
    expect((await asked(id)).exitCode, verb).toBe(EXIT.ok);
  }
});

test("what is wrong on the command line is said with what to do", async () => {
  const unknown = await trellis("start", "Bread.Bak", "{}");
  expect(unknown).toMatchObject({ exitCode: EXIT.notFound });
  expect(unknown.stderr).toContain("Bread.Bake");
  expect((await trellis("start", "Bread.Bake", "{name}")).exitCode).toBe(EXIT.usage);
  expect((await trellis("start", "Bread.Bake", '{"name":1}')).exitCode).toBe(EXIT.usage);
  expect((await trellis("start", "Bread.Bake", '{"name":"x"}', "--upload", "package.json")).exitCode).toBe(EXIT.usage);
  expect((await trellis("watch", "Bread.Bake", "bakery_nothing")).exitCode).toBe(EXIT.notFound);
  expect((await trellis("watch", "Bread.Bake", "nothing")).exitCode).toBe(EXIT.usage);
  expect((await trellis("start", "Bread.Bake", '{"name":"x"}', "--service", "No one")).exitCode).toBe(EXIT.usage);
  const called = await trellis("call", "Bread.Bake");
  expect(called.exitCode).toBe(EXIT.notFound);
  expect(called.stderr).toBe("error: Bread.Bake is an operation, and no RPC\n  next: trellis start Bread.Bake\n");
});
