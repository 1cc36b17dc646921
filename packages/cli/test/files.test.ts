import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { AnyContract } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { fromBytes, fromStore, SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { archive, newerArchive } from "./archive-contract.ts";
import { type LocalFolder, startInFolder } from "./local-folder.ts";
import { runCaptured } from "./run-captured.ts";
import { startTrellis } from "./run-process.ts";

let folder: LocalFolder;
const services: AsyncDisposable[] = [];
let fetching = 0;

async function connect<const C extends AnyContract>(contract: C, name: string): Promise<TrellisService<C, undefined>> {
  const service = await TrellisService.connect({
    contract,
    name,
    cwd: folder.cwd,
    env: {},
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  services.push({ [Symbol.asyncDispose]: () => service.stop() });
  return service;
}

beforeAll(async () => {
  folder = await startInFolder();
  const first = await connect(archive, "archive");
  const { files } = first.store;
  first.handle.rpc.archive.fetch(async ({ input: { name } }) => {
    const output = { name, bytes: 0, sha256: "" };
    if (name === "broken") return ok({ output, source: fromBytes(breaksOff(), { size: 1_000_000 }) });
    if (name === "endless") return ok({ output, source: fromBytes(trickles(), {}) });
    return ok({ output, source: await fromStore(files, name).orThrow() });
  });
  first.handle.rpc.archive.wait(async ({ input: { ms }, signal }) => {
    await setTimeout(ms, undefined, { signal });
    return ok({ by: "archive@v1" });
  });
  first.handle.operation.archive.keep(async ({ upload }) => {
    const { body } = await files.get(upload.name).orThrow();
    const bytes = Buffer.from(await new Response(body).arrayBuffer());
    return ok({ name: upload.name, bytes: bytes.length, sha256: digest(bytes) });
  });
  first.handle.operation.archive.think(async ({ input: { ms }, op }) => {
    await op.sleep(ms);
    return ok({ by: "archive@v1" });
  });
  first.handle.feed.archive.changes(async function* () {
    yield { by: "archive@v1" };
  });
  await first.start();
  const second = await connect(newerArchive, "archive-2");
  second.handle.rpc.archive.wait(() => ok({ by: "archive@v2" }));
  second.handle.operation.archive.think(() => ok({ by: "archive@v2" }));
  second.handle.feed.archive.changes(async function* () {
    yield { by: "archive@v2" };
  });
  await second.start();
  const telling = setInterval(() => {
    void first.event.archive.told.publish({ n: 1 });
    void second.event.archive.told.publish({ n: 2 });
  }, 50);
  services.push({ [Symbol.asyncDispose]: async () => clearInterval(telling) });
});
afterAll(async () => {
  for (const service of services.toReversed()) await service[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(args, { cwd: folder.cwd });
const inProcess = (...args: string[]) => startTrellis(args, folder.cwd).ended;
const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const leftBehind = (): string[] => readdirSync(folder.cwd).filter((name) => name.includes(".part"));

async function* breaksOff() {
  yield new Uint8Array(300_000);
  throw new Error("the shelf has fallen down");
}

async function* trickles() {
  for (;;) {
    fetching += 1;
    yield new Uint8Array(1_000);
    await setTimeout(10);
  }
}

describe("a file goes with an operation, and comes with an answer", () => {
  test.each([
    ["of several pieces", 3_300_000],
    ["of no bytes", 0],
  ])("%s: what arrives is what was sent, both ways, by the program itself", async (label, size) => {
    const bytes = randomBytes(size);
    const name = label.replaceAll(" ", "-");
    mkdirSync(join(folder.cwd, "from"), { recursive: true });
    writeFileSync(join(folder.cwd, "from", name), bytes);
    const kept = await inProcess("start", "Archive.Keep", JSON.stringify({ name }), "--upload", `from/${name}`);
    expect(kept).toMatchObject({ exitCode: EXIT.ok });
    expect(JSON.parse(kept.stdout)).toEqual({ name, bytes: size, sha256: digest(bytes) });

    const output = `to/deep/${name}`;
    const fetched = await inProcess("call", "Archive.Fetch", JSON.stringify({ name }), "--output", output, "--json");
    expect(fetched).toMatchObject({ exitCode: EXIT.ok, stderr: "" });
    expect(JSON.parse(fetched.stdout)).toMatchObject({ output: { name }, bytes: size });
    expect(digest(readFileSync(join(folder.cwd, output)))).toBe(digest(bytes));
    expect(readdirSync(join(folder.cwd, "to", "deep"))).toContain(name);
  });

  test("started with a key and left, the file is sent all the same", async () => {
    writeFileSync(join(folder.cwd, "left"), "left behind");
    const args = ["start", "Archive.Keep", '{"name":"left"}', "--upload", "left", "--key", "left", "--detach"];
    const { exitCode, stdout } = await inProcess(...args);
    expect(exitCode).toBe(EXIT.ok);
    const watched = await trellis("watch", "Archive.Keep", stdout.trim());
    expect(JSON.parse(watched.stdout)).toMatchObject({ name: "left", bytes: 11 });
  });

  test("one that is there already is replaced only by a whole one", async () => {
    writeFileSync(join(folder.cwd, "mine"), "what I had");
    const broken = await inProcess("call", "Archive.Fetch", '{"name":"broken"}', "--output", "mine");
    expect(broken.exitCode).toBe(EXIT.no);
    expect(readFileSync(join(folder.cwd, "mine"), "utf8")).toBe("what I had");
    expect(leftBehind()).toEqual([]);
  });

  test("Ctrl-C in the middle leaves nothing half", async () => {
    const running = startTrellis(["call", "Archive.Fetch", '{"name":"endless"}', "--output", "half"], folder.cwd);
    await expect.poll(() => fetching, { timeout: 30_000 }).toBeGreaterThan(10);
    await expect.poll(leftBehind, { timeout: 30_000 }).toHaveLength(1);
    running.interrupt();
    expect(await running.ended).toMatchObject({ exitCode: EXIT.interrupted });
    expect(leftBehind()).toEqual([]);
    expect(readdirSync(folder.cwd)).not.toContain("half");
  });

  test("what does not fit is said before anything is begun, or with what the service says", async () => {
    const count = async (): Promise<number> =>
      JSON.parse((await trellis("operations", "list", "--json")).stdout).operations.length;
    const before = await count();
    const keep = ["start", "Archive.Keep", '{"name":"x"}'];
    expect(await inProcess(...keep)).toMatchObject({
      exitCode: EXIT.usage,
      stderr: expect.stringContaining("--upload"),
    });
    expect(await inProcess(...keep, "--upload", "nowhere")).toMatchObject({
      exitCode: EXIT.usage,
      stderr: expect.stringContaining("no file at nowhere"),
    });
    expect(await count()).toBe(before);
    writeFileSync(join(folder.cwd, "large"), new Uint8Array(4_000_001));
    const large = await inProcess(...keep, "--upload", "large");
    expect(large).toMatchObject({
      exitCode: EXIT.no,
      stdout: "",
      stderr: expect.stringContaining("4000000 bytes at most"),
    });

    const fetch = await trellis("call", "Archive.Fetch", '{"name":"left"}');
    expect(fetch).toMatchObject({ exitCode: EXIT.usage, stderr: expect.stringContaining("--output") });
    const wait = ["call", "Archive.Wait", '{"ms":0}', "--contract", "archive@v1"];
    expect(await trellis(...wait, "--output", "x")).toMatchObject({
      exitCode: EXIT.usage,
      stderr: expect.stringContaining("hands out no file"),
    });
  });
});

describe("how long, and of which contract", () => {
  test("a call waits as long as it is told", async () => {
    const wait = ["call", "Archive.Wait", '{"ms":20000}', "--contract", "archive@v1", "--timeout", "300"];
    expect(await trellis(...wait)).toMatchObject({ exitCode: EXIT.unreachable, stdout: "" });
  });

  test("an operation fails when it is not over by its deadline", async () => {
    const think = ["start", "Archive.Think", '{"ms":600000}', "--contract", "archive@v1", "--deadline", "300"];
    const { exitCode, stderr } = await trellis(...think);
    expect(exitCode).toBe(EXIT.refused);
    expect(stderr).toContain("deadline");
  });

  test("two contracts with a name: which one is asked for, and then it is that one", async () => {
    const commands: readonly (readonly string[])[] = [
      ["call", "Archive.Wait", '{"ms":0}'],
      ["start", "Archive.Think", '{"ms":0}'],
      ["feed", "Archive.Changes", '{"ms":0}', "--limit", "1"],
      ["listen", "Archive.Told", "--limit", "1"],
    ];
    for (const command of commands) {
      const unsure = await trellis(...command);
      expect(unsure.exitCode, command.join(" ")).toBe(EXIT.usage);
      expect(unsure.stderr).toContain(`--contract archive@v`);
      for (const [n, id] of ["archive@v1", "archive@v2"].entries()) {
        const { exitCode, stdout } = await trellis(...command, "--contract", id, "--json");
        expect(exitCode, command.join(" ")).toBe(EXIT.ok);
        expect(stdout).toContain(command[0] === "listen" ? `"n":${n + 1}` : id);
      }
    }
    const begun = await trellis("start", "Archive.Think", '{"ms":0}', "--contract", "archive@v2", "--detach");
    const watched = await trellis("watch", "Archive.Think", begun.stdout.trim(), "--contract", "archive@v2");
    expect(JSON.parse(watched.stdout)).toEqual({ by: "archive@v2" });
    const other = await trellis("watch", "Archive.Think", begun.stdout.trim(), "--contract", "archive@v1");
    expect(other.exitCode).toBe(EXIT.unreachable);
    expect(other.stderr).toContain("Nobody serves Archive.Think");
  });
});
