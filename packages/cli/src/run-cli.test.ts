import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { runCaptured } from "../test/run-captured.ts";
import type { RegisterCommand } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { EXIT } from "./exit-codes.ts";
import { CLI_VERSION } from "./version.ts";

describe("the command line", () => {
  test("help lists every command for people, and none of those shells use", async () => {
    const { exitCode, stdout, stderr } = await runCaptured(["--help"]);
    expect(exitCode).toBe(EXIT.ok);
    expect(stderr).toBe("");
    for (const { name, hidden } of COMMANDS) {
      expect(new RegExp(`^  ${name}\\b`, "m").test(stdout), name).toBe(hidden !== true);
    }
  });

  test("the version is printed alone", async () => {
    expect(await runCaptured(["--version"])).toEqual({ exitCode: EXIT.ok, stdout: `${CLI_VERSION}\n`, stderr: "" });
  });

  test.each([
    [["svs"], "unknown command 'svs'", "Did you mean svc?"],
    [["svc", "lits"], "unknown command 'lits'", "Did you mean list?"],
    [["up", "--prot", "1"], "unknown option '--prot'", "Did you mean --port?"],
  ])("%j is answered with what was meant", async (args, what, suggestion) => {
    const { exitCode, stdout, stderr } = await runCaptured(args);
    expect(exitCode).toBe(EXIT.usage);
    expect(stdout).toBe("");
    expect(stderr).toContain(`error: ${what}`);
    expect(stderr).toContain(suggestion);
    expect(stderr).toContain("next:");
  });

  test.each([
    [["svc", "show"], "missing required argument 'name'"],
    [["up", "--port", "x"], "It must be a whole number from 0 to 65535."],
    [["up", "--nodes", "2"], "Allowed choices are 1, 3."],
    [["audit", "--limit", "0"], "It must be a whole number from 1 to 500."],
    [["svc", "mode", "orders", "loose"], "Allowed choices are strict, mutable-dev."],
    [["completion", "tcsh"], "Allowed choices are bash, zsh, fish."],
    [["users", "add-key", "ada", "abc"], "A public key is 43 letters"],
    [["sessions", "revoke", "abc"], "A public key is 43 letters"],
    [["svc", "provision", "orders", "--key", "abc"], "A public key is 43 letters"],
    [["svc", "create", "My Orders"], "A name is a lower-case letter"],
    [
      ["nats", "config", "op", "--server", "n1", "n 2", "nats://n3"],
      '"n 2", "nats://n3" cannot be the name of a server',
    ],
    [["call", "Orders.Get", "-"], "nothing came from standard input"],
    [["call", "Orders.Get", " "], "the input is empty"],
  ])("%j is refused before anything is done", async (args, message) => {
    const { exitCode, stderr } = await runCaptured(args);
    expect(exitCode).toBe(EXIT.usage);
    expect(stderr).toContain(message);
  });

  test.each([
    [["call"], `write it like this: trellis call Orders.Get '{"id":"o_1"}'`, "trellis call --help shows everything"],
    [["svc", "show"], "write it like this: trellis svc show orders", "trellis svc show --help shows everything"],
    [["--nothing"], "trellis --help lists every command", "trellis --help lists every command"],
  ])("%j is answered with how that command is written", async (args, example, help) => {
    const { stderr } = await runCaptured(args);
    expect(stderr).toContain(example);
    expect(stderr).toContain(help);
  });

  test("a group alone prints what it holds and says that more is needed", async () => {
    const { exitCode, stdout, stderr } = await runCaptured(["svc"]);
    expect(exitCode).toBe(EXIT.usage);
    expect(stdout).toBe("");
    expect(stderr).toContain("accept [options] <plan>");
  });

  test("with --json a mistake is one JSON value", async () => {
    const { exitCode, stderr } = await runCaptured(["bogus", "--json"]);
    expect(exitCode).toBe(EXIT.usage);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "usage", what: "unknown command 'bogus'" } });
  });

  test("what nobody expected is a bug of ours and says so", async () => {
    const explode = { name: "explode", summary: "", load: async () => explodes };
    const { exitCode, stderr } = await runCaptured(["explode"], { commands: [explode] });
    expect(exitCode).toBe(EXIT.unexpected);
    expect(stderr).toContain("something nobody expected happened: the moon fell");
    expect(stderr).not.toContain("    at ");
  });
});

describe("without a platform", () => {
  test.each([["status"], ["sessions"], ["audit"], ["svc", "list"], ["call", "Orders.Get"]].map((args) => [args]))(
    "%j says how to get one",
    async (args) => {
      const { exitCode, stdout, stderr } = await runCaptured(args, { cwd: tmpdir() });
      expect(exitCode).toBe(EXIT.unreachable);
      expect(stdout).toBe("");
      expect(stderr).toContain("there is no platform to talk to");
      expect(stderr).toContain("trellis up");
    },
  );

  test("one that does not answer is named, at once", async () => {
    const cwd = mkdtempSync(join(tmpdir(), "trellis-cli-"));
    onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
    const { file } = JSON.parse((await runCaptured(["keys", "new", "me.seed", "--json"], { cwd })).stdout);
    const env = { TRELLIS_URL: "http://127.0.0.1:9", TRELLIS_USER_KEY_FILE: file };
    const { exitCode, stderr } = await runCaptured(["svc", "list"], { cwd, env });
    expect(exitCode).toBe(EXIT.unreachable);
    expect(stderr).toContain("no platform answers at http://127.0.0.1:9");
  });
});

const explodes: RegisterCommand = (command) => {
  command.action(() => {
    throw new Error("the moon fell");
  });
};
