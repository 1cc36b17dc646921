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

const mailer = defineServiceContract(
  { schemas: { Letter: Type.Object({ to: Type.String() }), Sent: Type.Object({ at: Type.String() }) } },
  (ref) => ({
    id: "mailer@v1",
    displayName: "Mailer",
    description: "Sends letters.",
    jobs: { send: { payload: ref.schema("Letter"), result: ref.schema("Sent"), maxDeliver: 1 } },
  }),
);

let folder: LocalFolder;
let service: TrellisService<typeof mailer>;
let broken = true;

beforeAll(async () => {
  folder = await startInFolder();
  service = await TrellisService.connect({
    contract: mailer,
    env: { TRELLIS_DIR: join(folder.cwd, ".trellis") },
    cwd: folder.cwd,
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  service.handle.job.send(({ job }) => {
    job.log("looking for the letter box");
    if (broken) throw new Error("the letter box is jammed");
    return ok({ at: "now" });
  });
  await service.start();
});
afterAll(async () => {
  await service?.stop();
  await folder[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(["jobs", ...args], { cwd: folder.cwd });

test("a dead job is found, read, replayed and really runs again", async () => {
  expect((await trellis("list")).stdout).toContain("No jobs here.");
  const job = await service.jobs.send.create({ to: "ada" }).orThrow();
  expect((await job.wait({ timeoutMs: 5_000 })).ok).toBe(false);
  const { stdout: listed } = await trellis("list", "--service", "mailer", "--state", "dead");
  expect(listed).toContain(job.id);
  expect(listed).toContain("the letter box is jammed");
  const { stdout: shown } = await trellis("show", job.id);
  expect(shown).toContain('payload   {"to":"ada"}');
  expect(shown).toMatch(/logged +1 +looking for the letter box/);
  broken = false;
  expect((await trellis("retry", job.id)).exitCode).toBe(EXIT.refused);
  expect((await trellis("replay", job.id)).stdout).toContain(`the job ${job.id} of mailer send runs again`);
  expect(await job.wait({ timeoutMs: 5_000 }).orThrow()).toEqual({ at: "now" });
  expect((await trellis("cancel", job.id)).exitCode).toBe(EXIT.refused);
  expect((await trellis("show", "nothing")).exitCode).toBe(EXIT.notFound);
  expect((await trellis("list", "--state", "asleep")).exitCode).toBe(EXIT.usage);
});

test("queues, workers and changes are watched, as JSON for programs", async () => {
  const top = await trellis("top", "--times", "1");
  expect(top.exitCode).toBe(EXIT.ok);
  expect(top.stdout).toMatch(/mailer +send/);
  const watching = trellis("watch", "--queue", "send", "--limit", "1", "--json");
  let seen = false;
  void watching.then(() => (seen = true));
  for (let n = 0; !seen && n < 200; n += 1) {
    await service.jobs.send.create({ to: `nobody ${n}` }).orThrow();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const change: unknown = JSON.parse((await watching).stdout);
  expect(change).toMatchObject({ service: "mailer", queue: "send" });
}, 60_000);

test("schedules are listed; one that is not there is said so", async () => {
  expect((await trellis("schedules")).stdout).toContain("No schedules.");
  const paused = await trellis("schedules", "pause", "nightly", "--service", "mailer", "--queue", "send");
  expect(paused.exitCode).toBe(EXIT.notFound);
}, 60_000);
