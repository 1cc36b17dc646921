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
    jobs: {
      send: { payload: ref.schema("Letter"), result: ref.schema("Sent"), maxDeliver: 1 },
      sort: {
        payload: ref.schema("Letter"),
        perGroup: { concurrency: 2 },
        schedules: {
          yearly: { cron: "0 0 1 1 *", payload: { to: "everybody" } },
          monthly: { cron: "0 0 1 * *", payload: { to: "the boss" } },
        },
      },
    },
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
  service.handle.job.sort(() => ok());
  await service.start();
});
afterAll(async () => {
  await service?.stop();
  await folder[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(["jobs", ...args], { cwd: folder.cwd });

test("a dead job is found, read, replayed and really runs again", async () => {
  expect((await trellis()).stdout).toContain("No jobs here.");
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

test("schedules are listed in parts, paused, resumed and run now; one that is not there is said so", async () => {
  const names = async (...args: string[]): Promise<readonly string[]> =>
    JSON.parse((await trellis("schedules", "list", ...args, "--json")).stdout).schedules.map(
      ({ schedule }: { schedule: string }) => schedule,
    );
  expect((await trellis("schedules", "list", "--service", "nobody")).exitCode).toBe(EXIT.notFound);
  expect(await names("--queue", "send")).toEqual([]);
  await expect.poll(() => names("--service", "mailer", "--queue", "sort"), { timeout: 20_000 }).toHaveLength(2);
  const page = JSON.parse((await trellis("schedules", "list", "--limit", "1", "--json")).stdout);
  expect(page.schedules).toMatchObject([{ schedule: "monthly" }]);
  expect(await names("--limit", "1", "--cursor", page.nextCursor)).toEqual(["yearly"]);

  const where = ["--service", "mailer", "--queue", "sort"];
  // Only one queue has it, so nobody has to say which.
  expect((await trellis("schedules", "pause", "yearly")).stdout).toBe("yearly is paused\n");
  expect((await trellis("schedules", "pause", "hourly")).exitCode).toBe(EXIT.notFound);
  expect((await trellis("schedules")).stdout).toMatch(/mailer +sort +yearly .*paused by developer/);
  expect((await trellis("schedules", "resume", "yearly", ...where)).stdout).toMatch(
    /yearly is due next at \d{4}-01-01/,
  );
  const { stdout } = await trellis("schedules", "run", "yearly", ...where, "--json");
  const { id }: { id: string } = JSON.parse(stdout);
  await expect.poll(async () => (await trellis("show", id)).stdout, { timeout: 20_000 }).toContain("completed");
  expect((await trellis("list", "--schedule", "yearly")).stdout).toContain(id);
  expect((await trellis("list", "--schedule", "monthly")).stdout).toContain("No jobs here.");
  for (const verb of ["pause", "resume", "run"])
    expect((await trellis("schedules", verb, "nightly", ...where)).exitCode, verb).toBe(EXIT.notFound);
  expect((await trellis("schedules", "run", "yearly", "--service", "mailer")).exitCode).toBe(EXIT.ok);
}, 60_000);

test("jobs are listed by queue and group, in pages", async () => {
  const ids = async (...args: string[]): Promise<readonly string[]> =>
    JSON.parse((await trellis("list", ...args, "--json")).stdout).jobs.map(({ id }: { id: string }) => id);
  const made: string[] = [];
  for (const group of ["a", "b", "b"]) made.push((await service.jobs.sort.create({ to: "x" }, { group }).orThrow()).id);
  await expect.poll(() => ids("--queue", "sort", "--group", "b"), { timeout: 20_000 }).toHaveLength(2);
  expect(await ids("--queue", "sort", "--group", "a")).toEqual(made.slice(0, 1));
  expect(await ids("--queue", "send", "--group", "b")).toEqual([]);
  const first = JSON.parse((await trellis("list", "--queue", "sort", "--limit", "2", "--json")).stdout);
  expect(first.jobs).toHaveLength(2);
  const rest = await ids("--queue", "sort", "--limit", "1000", "--cursor", first.nextCursor);
  const shown: readonly string[] = [...first.jobs.map(({ id }: { id: string }) => id), ...rest];
  expect(new Set(shown)).toEqual(new Set(await ids("--queue", "sort", "--limit", "1000")));
  expect(shown).toHaveLength(new Set(shown).size);
});

test("an id that two queues have needs more words, and a reason is kept", async () => {
  broken = true;
  const job = await service.jobs.send.create({ to: "twice" }, { key: "twice" }).orThrow();
  await service.jobs.sort.create({ to: "twice" }, { key: "twice", delayMs: 3_600_000 }).orThrow();
  expect((await job.wait({ timeoutMs: 20_000 })).ok).toBe(false);
  const stateOf = async (queue: string): Promise<unknown> => {
    const { stdout } = await trellis("show", job.id, "--service", "mailer", "--queue", queue, "--json");
    return JSON.parse(stdout || "{}").job?.state;
  };
  await expect.poll(() => stateOf("send"), { timeout: 20_000 }).toBe("dead");
  await expect.poll(() => stateOf("sort"), { timeout: 20_000 }).toBe("pending");
  expect((await trellis("show", job.id)).exitCode).not.toBe(EXIT.ok);
  expect((await trellis("show", job.id, "--service", "nobody")).exitCode).toBe(EXIT.notFound);

  const act = (verb: string, queue: string, reason: string) =>
    trellis(verb, job.id, "--service", "mailer", "--queue", queue, "--reason", reason);
  expect((await act("replay", "send", "oiled the hinge")).stdout).toContain("of mailer send runs again");
  await expect.poll(() => stateOf("send"), { timeout: 20_000 }).toBe("dead");
  expect((await act("dismiss", "send", "nobody waits for it")).stdout).toContain("of mailer send is dismissed");
  expect((await act("cancel", "sort", "sent by hand")).stdout).toContain("of mailer sort is cancelled");
  expect((await act("retry", "sort", "no, after all")).exitCode).toBe(EXIT.refused);
  const history = async (queue: string): Promise<string> =>
    (await trellis("show", job.id, "--service", "mailer", "--queue", queue)).stdout;
  expect(await history("send")).toMatch(/by developer: oiled the hinge[^]*by developer: nobody waits for it/);
  expect(await history("sort")).toContain("by developer: sent by hand");
  broken = false;
});

test("only one service, one queue or one job is watched", async () => {
  const top = await trellis("top", "--service", "nobody", "--times", "2", "--every", "100");
  expect(top.stdout.match(/No service has queues or jobs\./g)).toHaveLength(2);
  const job = await service.jobs.sort.create({ to: "x" }, { delayMs: 3_600_000 }).orThrow();
  const watching = trellis("watch", "--service", "mailer", "--job", job.id, "--limit", "2", "--json");
  let seen = false;
  void watching.then(() => (seen = true));
  // Others change all the time; of this one there are two things to tell: that it is there, and its end.
  for (let n = 0; !seen && n < 200; n += 1) {
    await service.jobs.sort.create({ to: `nobody ${n}` }).orThrow();
    if (n === 20) await trellis("cancel", job.id);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const changes = (await watching).stdout.trim().split("\n");
  expect(changes.map((line) => JSON.parse(line).id)).toEqual([job.id, job.id]);
}, 60_000);
