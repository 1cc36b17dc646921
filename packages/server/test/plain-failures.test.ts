import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trellis-alone-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ending {
  readonly code: unknown;
  readonly out: string;
  readonly err: string;
}

/** Runs the program in an empty folder, with nothing of our own environment. */
function run(how: string, env: { readonly [name: string]: string } = {}, cwd = folder): Promise<Ending> {
  const program = join(import.meta.dirname, "failing-process.ts");
  return new Promise((resolve) => {
    execFile(process.execPath, [program, how], { cwd, env, timeout: 20_000 }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err }),
    );
  });
}

test("a service without a platform says so in one line, and nothing of our sources", async () => {
  const { code, out, err } = await run("plain");
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/^trellis: There is no platform for lone to connect to\. .*trellis up.*\n$/);
});

test("so does one with an open key file, a damaged local.json and an address that is none", async () => {
  const seed = join(folder, "open.seed");
  writeFileSync(seed, "x\n", { mode: 0o644 });
  const open = await run("plain", { TRELLIS_URL: "http://localhost:9", TRELLIS_SEED_FILE: seed });
  expect(open).toMatchObject({ code: 1, err: expect.stringMatching(/^trellis: .*Run: chmod 600 .*\n$/) });

  const damaged = join(folder, "damaged");
  mkdirSync(join(damaged, ".trellis"), { recursive: true });
  writeFileSync(join(damaged, ".trellis", "local.json"), "{", { mode: 0o600 });
  const local = await run("plain", {}, damaged);
  expect(local).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^trellis: .*local\.json is not what `trellis up` writes\..*\n$/),
  });

  const address = await run("plain", { TRELLIS_URL: "nats://localhost:4222" });
  expect(address).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^trellis: "nats:\/\/localhost:4222" is not .*\n$/),
  });
});

test("a program that catches the error, or listens for uncaught ones, is left alone", async () => {
  expect(await run("catching")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^caught ServiceSetupError: /),
    err: "",
  });
  expect(await run("listening")).toMatchObject({ code: 0, out: "heard ServiceSetupError\n", err: "" });
});

test("the stack stays where it helps: mistakes, and whoever asks for it", async () => {
  expect((await run("mistaken")).err).toContain("at file:///");
  expect((await run("plain", { TRELLIS_DEBUG: "1" })).err).toMatch(/ServiceSetupError: [^]*at /);
});
