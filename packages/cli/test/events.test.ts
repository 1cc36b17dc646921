import { defineServiceContract } from "@trellis/contracts";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { type LocalFolder, startInFolder } from "./local-folder.ts";
import { runCaptured } from "./run-captured.ts";

const Letter = Type.Object({ n: Type.Integer() });
const post = defineServiceContract({ schemas: { Letter } }, (ref) => ({
  id: "post@v1",
  displayName: "Post",
  description: "Delivers to itself.",
  events: { "Post.Sent": { version: "v1", event: ref.schema("Letter") } },
  eventConsumers: {
    first: { self: ["Post.Sent"], maxDeliver: 1 },
    second: { self: ["Post.Sent"], maxDeliver: 1 },
  },
}));

let folder: LocalFolder;
let service: TrellisService<typeof post>;
let jammed = true;
const first: number[] = [];
const second: number[] = [];

beforeAll(async () => {
  folder = await startInFolder();
  service = await TrellisService.connect({
    contract: post,
    name: "post",
    cwd: folder.cwd,
    env: {},
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  service.handle.events.first(({ event }) => {
    if (jammed) throw new Error("jammed");
    first.push(event.n);
  });
  service.handle.events.second(({ event }) => {
    if (jammed && event.n === 1) throw new Error("jammed");
    second.push(event.n);
  });
  await service.start();
});
afterAll(async () => {
  await service?.stop();
  await folder[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(["events", ...args], { cwd: folder.cwd });
async function answer(...args: string[]) {
  const { exitCode, stdout, stderr } = await trellis(...args, "--json");
  expect({ exitCode, stderr }).toEqual({ exitCode: EXIT.ok, stderr: "" });
  return JSON.parse(stdout);
}
interface Line {
  readonly id: string;
  readonly group: string;
}
const letters = async (...args: string[]): Promise<readonly Line[]> =>
  (await answer("dead-letters", "list", ...args)).deadLetters;

test("groups: how far behind they are, paused for a while, and resumed", async () => {
  const idle = (await trellis()).stdout;
  expect(idle).toMatch(/post +first +0 +0 +0 +0 +- +runs/);
  expect((await answer("lag", "post")).length).toBe(2);

  const paused = await answer("pause", "post", "second", "--minutes", "5");
  const ends = Date.parse(paused.pausedUntil) - Date.now();
  expect(ends).toBeGreaterThan(4 * 60_000);
  expect(ends).toBeLessThan(6 * 60_000);
  await service.event.post.sent.publish({ n: 0 }).orThrow();
  await expect.poll(async () => (await trellis("lag")).stdout, { timeout: 20_000 }).toMatch(/post +second +1 .*paused/);
  expect(second).toEqual([]);
  expect((await trellis("resume", "post", "second")).stdout).toContain("second of post goes on");
  await expect.poll(() => second, { timeout: 20_000 }).toEqual([0]);

  expect((await trellis("pause", "post", "second")).stdout).toContain("trellis events resume post second");
  expect((await trellis("resume", "post", "second")).exitCode).toBe(EXIT.ok);
  expect((await trellis("pause", "post", "third")).exitCode).toBe(EXIT.notFound);
  expect((await trellis("pause", "post", "second", "--minutes", "0")).exitCode).toBe(EXIT.usage);
});

test("dead letters are listed in pages and parts, shown, delivered again and dropped", async () => {
  for (const n of [1, 2]) await service.event.post.sent.publish({ n }).orThrow();
  await expect.poll(async () => (await letters()).length, { timeout: 30_000 }).toBe(4);

  expect((await letters("--group", "second")).map(({ group }) => group)).toEqual(["second"]);
  expect(await letters("--service", "post", "--group", "first")).toHaveLength(3);
  expect((await trellis("dead-letters", "list", "--service", "nobody")).exitCode).toBe(EXIT.notFound);
  const all = (await letters()).map(({ id }) => id);
  const page = await answer("dead-letters", "list", "--limit", "3");
  expect(page.deadLetters.map(({ id }: Line) => id)).toEqual(all.slice(0, 3));
  expect((await letters("--limit", "3", "--cursor", page.nextCursor)).map(({ id }) => id)).toEqual(all.slice(3));
  expect((await trellis("dead-letters", "--limit", "3")).stderr).toContain(`--cursor ${page.nextCursor}`);

  const [one] = await letters("--group", "second");
  const shown = await trellis("dead-letters", "show", one?.id ?? "");
  expect(shown.stdout).toMatch(/group +second/);
  expect(shown.stdout).toContain('{"n":1}');
  expect((await trellis("dead-letters", "show", "post.second.999999")).exitCode).toBe(EXIT.notFound);

  jammed = false;
  expect(await answer("replay", one?.id ?? "")).toEqual({ count: 1 });
  await expect.poll(() => [...second].sort(), { timeout: 20_000 }).toEqual([0, 1, 2]);
  const [oldest] = await letters("--group", "first");
  expect((await trellis("drop", oldest?.id ?? "")).stdout).toBe("deleted: 1\n");
  expect((await trellis("replay", "--all", "post.first")).stdout).toBe("delivered again: 2\n");
  await expect.poll(() => [...first].sort(), { timeout: 20_000 }).toEqual([1, 2]);
  await expect.poll(() => letters(), { timeout: 20_000 }).toEqual([]);

  jammed = true;
  await service.event.post.sent.publish({ n: 3 }).orThrow();
  await expect.poll(async () => (await letters("--group", "first")).length, { timeout: 30_000 }).toBe(1);
  expect(await answer("drop", "--all", "post.first")).toEqual({ count: 1 });
  expect(await letters()).toEqual([]);
});

test("all of a group are those there were: the ones that fail again meanwhile are not delivered for ever", async () => {
  jammed = true;
  const numbers = Array.from({ length: 250 }, (_, n) => 100 + n);
  await Promise.all(numbers.map((n) => service.event.post.sent.publish({ n }).orThrow()));
  const dead = async (): Promise<number> =>
    (await answer("lag", "post")).find(({ group }: Line) => group === "first")?.deadLetters;
  await expect.poll(dead, { timeout: 60_000 }).toBe(numbers.length);
  expect(await answer("replay", "--all", "post.first")).toEqual({ count: numbers.length });
  await expect.poll(dead, { timeout: 60_000 }).toBe(numbers.length);
  expect(await answer("drop", "--all", "post.first")).toEqual({ count: numbers.length });
  expect(await letters()).toEqual([]);
}, 120_000);

test("nothing named, or no group, is a mistake", async () => {
  expect((await trellis("drop")).exitCode).toBe(EXIT.usage);
  expect((await trellis("replay", "--all", "post")).exitCode).toBe(EXIT.usage);
  expect((await trellis("replay", "post.first.999999")).exitCode).toBe(EXIT.notFound);
});
