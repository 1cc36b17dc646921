import { defineServiceContract } from "@trellis/contracts";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { type LocalFolder, startInFolder } from "./local-folder.ts";
import { runCaptured } from "./run-captured.ts";

const Bell = Type.Object({ tower: Type.String(), strokes: Type.Integer() });
const bells = defineServiceContract({ schemas: { Bell } }, (ref) => ({
  id: "bells@v1",
  displayName: "Bells",
  description: "Ring.",
  capabilities: { hear: { displayName: "Hear the bells", description: "Hear them ring." } },
  events: {
    "Bells.Rung": {
      version: "v1",
      event: ref.schema("Bell"),
      params: ["/tower"],
      capabilities: { subscribe: ["hear"] },
    },
  },
}));

let folder: LocalFolder;
let service: TrellisService<typeof bells>;
let ringing: ReturnType<typeof setInterval>;

beforeAll(async () => {
  folder = await startInFolder();
  service = await TrellisService.connect({
    contract: bells,
    name: "bells",
    cwd: folder.cwd,
    env: {},
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  await service.start();
  // Whenever somebody listens, something comes.
  let strokes = 0;
  ringing = setInterval(() => {
    strokes += 1;
    for (const tower of ["north", "south"]) void service.event.bells.rung.publish({ tower, strokes });
  }, 50);
});

afterAll(async () => {
  clearInterval(ringing);
  await service?.stop();
  await folder[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(["listen", ...args], { cwd: folder.cwd });

test("a person sees when and what, of those with a value only", async () => {
  const { exitCode, stdout, stderr } = await trellis("Bells.Rung", "--where", "tower=south", "--limit", "2");
  expect({ exitCode, stderr }).toMatchObject({ exitCode: EXIT.ok });
  expect(stderr).toContain("Listening to Bells.Rung of bells@v1");
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  for (const line of lines)
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z {2}\{"tower":"south","strokes":\d+\} {2}[0-9A-Z]{26}$/);
});

test("a program gets one JSON a line", async () => {
  const { exitCode, stdout } = await trellis("Bells.Rung", "--limit", "1", "--json");
  expect(exitCode).toBe(EXIT.ok);
  const heard: unknown = JSON.parse(stdout);
  expect(heard).toMatchObject({
    event: { strokes: expect.any(Number) },
    id: expect.stringMatching(/^[0-9A-Z]{26}$/),
    subject: expect.stringMatching(/^events\.v1\.Bells\.Rung\.(north|south)$/),
  });
});

test("a name nobody has, and a parameter it does not have, are answered with those there are", async () => {
  const unknown = await trellis("Bells.Rang");
  expect(unknown.exitCode).toBe(EXIT.notFound);
  expect(unknown.stderr).toContain("Bells.Rung");
  const filtered = await trellis("Bells.Rung", "--where", "colour=red");
  expect(filtered.exitCode).toBe(EXIT.usage);
  expect(filtered.stderr).toContain("it has tower");
  const written = await trellis("Bells.Rung", "--where", "tower");
  expect(written.exitCode).toBe(EXIT.usage);
  expect(written.stderr).toContain("key=value");
});
