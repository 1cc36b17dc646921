import { defineServiceContract } from "@trellis/contracts";
import { frame, SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { type LocalFolder, startInFolder } from "./local-folder.ts";
import { runCaptured } from "./run-captured.ts";

const Asked = Type.Object({ upTo: Type.Integer() });
const Tick = Type.Object({ n: Type.Integer() });
const clock = defineServiceContract({ schemas: { Asked, Tick } }, (ref) => ({
  id: "clock@v1",
  displayName: "Clock",
  description: "Ticks.",
  capabilities: { watch: { displayName: "Watch the clock", description: "Hear it tick." } },
  feeds: {
    "Clock.Ticks": {
      version: "v1",
      input: ref.schema("Asked"),
      event: ref.schema("Tick"),
      capabilities: { subscribe: ["watch"] },
    },
  },
}));

let folder: LocalFolder;
let service: TrellisService<typeof clock> | undefined;

beforeAll(async () => {
  folder = await startInFolder();
  service = await TrellisService.connect({
    contract: clock,
    name: "clock",
    cwd: folder.cwd,
    env: {},
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  service.handle.feed.clock.ticks(async function* ({ input, cursor }) {
    for (let n = cursor === undefined ? 1 : Number(cursor) + 1; n <= input.upTo; n += 1) yield frame({ n }, String(n));
  });
  await service.start();
});

afterAll(async () => {
  await service?.stop();
  await folder[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(["feed", ...args], { cwd: folder.cwd });

test("a person sees each frame and its place, and that it has ended", async () => {
  const { exitCode, stdout, stderr } = await trellis("Clock.Ticks", '{"upTo":3}');
  expect({ exitCode, stdout }).toEqual({ exitCode: EXIT.ok, stdout: '{"n":1}  1\n{"n":2}  2\n{"n":3}  3\n' });
  expect(stderr).toContain("Clock.Ticks has ended.");
});

test("a program gets one JSON a line, from a place on and so many", async () => {
  const { exitCode, stdout } = await trellis("Clock.Ticks", '{"upTo":9}', "--cursor", "4", "--limit", "2", "--json");
  expect({ exitCode, stdout }).toEqual({
    exitCode: EXIT.ok,
    stdout: '{"frame":{"n":5},"cursor":"5"}\n{"frame":{"n":6},"cursor":"6"}\n',
  });
});

test("a name nobody has is answered with one there is", async () => {
  const { exitCode, stderr } = await trellis("Clock.Tick", "{}");
  expect(exitCode).toBe(EXIT.notFound);
  expect(stderr).toContain("Clock.Ticks");
});

test("an input that does not match is refused before anything is opened", async () => {
  const { exitCode, stderr } = await trellis("Clock.Ticks", '{"upTo":"three"}');
  expect(exitCode).toBe(EXIT.usage);
  expect(stderr).toContain("/upTo");
});
