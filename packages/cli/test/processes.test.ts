import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { runCaptured } from "./run-captured.ts";

const bin = join(import.meta.dirname, "..", "src", "bin.ts");

let root: string;
/** Where commands run: the folder of this test, or the service begun in it. */
let cwd: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  // Inside the workspace, so that a service begun there finds its packages.
  const cache = join(import.meta.dirname, "..", "..", "..", ".cache");
  mkdirSync(cache, { recursive: true });
  root = cwd = mkdtempSync(join(cache, "trellis-cli-"));
  extraEnv = {};
});

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await exited(child);
    }
  }
  await expect.poll(() => serversOf(root), { timeout: 5_000 }).toEqual([]);
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
});

/** What the terminal is set up for, beside what this process has. */
let extraEnv: { readonly [name: string]: string } = {};

/** `trellis` as a process of its own, and what it has printed. */
function start(...args: string[]): { readonly child: ChildProcess; readonly printed: () => string } {
  const env = { ...process.env, ...extraEnv };
  const child = spawn(process.execPath, [bin, ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  running.push(child);
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { child, printed: () => text };
}

function exited(child: ChildProcess): Promise<number | string> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal ?? "")));
}

/** The nats-server processes whose files are in a folder. */
function serversOf(folder: string): string[] {
  if (!existsSync("/proc")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return "";
      }
    })
    .filter((command) => command.includes("nats-server") && command.includes(folder));
}

const until = (printed: () => string, words: string | RegExp) =>
  expect.poll(printed, { timeout: 30_000, interval: 50 }).toMatch(words);

test("up runs until Ctrl-C and leaves no process behind; a second one is refused kindly", async () => {
  const { child, printed } = start("up", "--port", "0");
  await until(printed, /The platform is ready/);
  expect(printed()).toMatch(/Platform +http:\/\/localhost:\d+/);
  expect(printed()).toMatch(/NATS +nats:\/\/127\.0\.0\.1:\d+/);
  expect(statSync(join(cwd, ".trellis", "local.json")).mode & 0o777).toBe(0o600);
  if (existsSync("/proc")) expect(serversOf(cwd).length).toBeGreaterThan(0);

  const second = start("up");
  expect(await exited(second.child)).toBe(EXIT.no);
  expect(second.printed()).toMatch(/a platform already runs in this folder, at http:\/\/localhost:\d+/);

  child.kill("SIGINT");
  expect(await exited(child)).toBe(EXIT.ok);
  expect(printed()).toContain("Stopped.");
  expect(serversOf(cwd)).toEqual([]);
  expect(existsSync(join(cwd, ".trellis", "local.json"))).toBe(false);
});

test("a nats-server that somebody killed is back, and its terminal says so", async () => {
  const up = start("up", "--port", "0");
  await until(up.printed, /Ctrl-C stops it/);
  const pid = readFileSync(join(cwd, ".trellis", "nats", "n1", "server.pid"), "utf8");
  process.kill(Number(pid), "SIGKILL");
  await until(up.printed, "nats-server n1 runs again.");
  const made = await runCaptured(["svc", "create", "orders"], { cwd });
  expect(made).toMatchObject({ exitCode: EXIT.ok });
  up.child.kill("SIGINT");
  expect(await exited(up.child)).toBe(EXIT.ok);
});

test("a killed platform is recognised, and the next one goes on with its data", async () => {
  const killed = start("up", "--port", "0");
  await until(killed.printed, /Ctrl-C stops it/);
  const made = await runCaptured(["svc", "create", "orders"], { cwd });
  expect(made.exitCode).toBe(EXIT.ok);
  killed.child.kill("SIGKILL");
  await exited(killed.child);
  await expect.poll(() => serversOf(cwd), { timeout: 5_000 }).toEqual([]);

  const alone = await runCaptured(["svc", "list"], { cwd });
  expect(alone.exitCode).toBe(EXIT.unreachable);
  expect(alone.stderr).toContain("trellis up");

  const next = start("up", "--port", "0");
  await until(next.printed, /Ctrl-C stops it/);
  expect(next.printed()).toContain("was killed; this one goes on with its keys and data");
  expect(JSON.parse((await runCaptured(["svc", "list", "--json"], { cwd })).stdout)).toMatchObject([
    { name: "orders" },
  ]);
});

test("three servers and two control planes", async () => {
  const { child, printed } = start("up", "--port", "0", "--nodes", "3", "--control-planes", "2", "--json");
  await until(printed, /"natsServers"/);
  const line =
    printed()
      .split("\n")
      .find((each) => each.startsWith("{")) ?? "";
  const { natsServers, websocketUrls } = JSON.parse(line);
  expect([natsServers.length, websocketUrls.length]).toEqual([3, 3]);
  expect((await runCaptured(["status"], { cwd })).exitCode).toBe(EXIT.ok);
  child.kill("SIGTERM");
  expect(await exited(child)).toBe(EXIT.ok);
});

test("dev runs the service, again after a change, and plans a changed contract", async () => {
  expect((await runCaptured(["init", "orders"], { cwd })).exitCode).toBe(EXIT.ok);
  cwd = join(cwd, "orders");
  const { child, printed } = start("dev", "--port", "0");
  await until(printed, /"message":"Serving\."/);
  expect(printed()).toMatch(/\+ rpc +Orders\.Get/);
  const call = async () =>
    JSON.parse((await runCaptured(["call", "Orders.Get", '{"id":"o_1"}'], { cwd })).stdout || "{}");
  await expect.poll(call, { timeout: 10_000 }).toEqual({ id: "o_1", status: "placed" });

  change("handlers.ts", '"placed"', '"shipped"');
  await expect.poll(call, { timeout: 20_000 }).toEqual({ id: "o_1", status: "shipped" });

  change("contract.ts", "status: Type.String()", "status: Type.String(), note: Type.Optional(Type.String())");
  await until(printed, /~ rpc +Orders\.Get/);

  change("contract.ts", "note: Type", "note: Nonsense");
  await until(printed, /Nonsense is not defined/);
  change("contract.ts", "note: Nonsense", "note: Type");
  await expect.poll(call, { timeout: 20_000 }).toEqual({ id: "o_1", status: "shipped" });

  const service = serviceOf(child);
  child.kill("SIGINT");
  expect(await exited(child)).toBe(EXIT.ok);
  expect(service.every((pid) => !existsSync(`/proc/${pid}`))).toBe(true);
});

test("a killed dev takes its service with it", async () => {
  expect((await runCaptured(["init", "orders"], { cwd })).exitCode).toBe(EXIT.ok);
  cwd = join(cwd, "orders");
  const { child, printed } = start("dev", "--port", "0");
  await until(printed, /"message":"Serving\."/);
  const service = serviceOf(child);
  if (existsSync("/proc")) expect(service).toHaveLength(1);
  child.kill("SIGKILL");
  await exited(child);
  await expect.poll(() => service.filter((pid) => existsSync(`/proc/${pid}`)), { timeout: 15_000 }).toEqual([]);
});

test("dev with sources in a folder, the platform above it, three servers, and a terminal set up for another one", async () => {
  expect((await runCaptured(["init", "orders"], { cwd })).exitCode).toBe(EXIT.ok);
  cwd = join(cwd, "orders");
  mkdirSync(join(cwd, "src"));
  for (const file of readdirSync(cwd)) if (file.endsWith(".ts")) renameSync(join(cwd, file), join(cwd, "src", file));
  extraEnv = { TRELLIS_URL: "http://127.0.0.1:9", TRELLIS_SEED_FILE: "no-such.seed" };
  const away = start("dev", "--main", "src/main.ts", "--contract", "src", "--dir", "elsewhere");
  expect(await exited(away.child)).toBe(EXIT.usage);
  expect(away.printed()).toContain("would not find a platform that is kept in elsewhere");
  const platform = ["--dir", "..", "--port", "0", "--nodes", "3", "--control-planes", "2"];
  const { child, printed } = start("dev", "--main", "src/main.ts", "--contract", "src", ...platform);
  await until(printed, /"message":"Serving\."/);
  expect(printed()).toContain("does not use TRELLIS_URL, TRELLIS_SEED_FILE.");
  expect(printed()).toMatch(/\+ rpc +Orders\.Get/);
  expect(printed()).toMatch(/NATS +nats:\S+, nats:\S+, nats:\S+/);
  expect(readdirSync(root)).toContain(".trellis");
  expect(readdirSync(cwd)).not.toContain(".trellis");
  const logs = await runCaptured(["logs", "--only", "control-plane", "--lines", "100000"], { cwd });
  expect(logs.stdout.match(/the control plane is ready/g)).toHaveLength(2);
  const { stdout } = await runCaptured(["call", "Orders.Get", '{"id":"o_1"}'], { cwd });
  expect(JSON.parse(stdout)).toEqual({ id: "o_1", status: "placed" });
  child.kill("SIGINT");
  expect(await exited(child)).toBe(EXIT.ok);
});

test("up keeps everything in the folder it is told", async () => {
  const { child, printed } = start("up", "--dir", "kept", "--port", "0");
  await until(printed, /Ctrl-C stops it/);
  expect(readdirSync(join(cwd, "kept", ".trellis"))).toContain("local.json");
  expect(readdirSync(cwd)).toEqual(["kept"]);
  expect((await runCaptured(["status"], { cwd: join(cwd, "kept") })).exitCode).toBe(EXIT.ok);
  child.kill("SIGINT");
  expect(await exited(child)).toBe(EXIT.ok);
});

test("nats config writes what nats-server takes", async () => {
  const { exitCode } = await runCaptured(["nats", "config", "operator", "--server", "n1", "n2", "n3"], { cwd });
  expect(exitCode).toBe(EXIT.ok);
  const keys = readFileSync(join(cwd, "operator", "keys", "operator.json"), "utf8");
  const n2 = JSON.parse(readFileSync(join(cwd, "operator", "n2.json"), "utf8"));
  expect(n2.server_name).toBe("n2");
  expect(n2.cluster.routes.map((route: string) => new URL(route).host)).toEqual(["n1:6222", "n2:6222", "n3:6222"]);
  expect(statSync(join(cwd, "operator", "n2.json")).mode & 0o777).toBe(0o600);
  const server = process.env["TRELLIS_NATS_SERVER"];
  if (server !== undefined) execFileSync(server, ["-c", join(cwd, "operator", "n2.json"), "-t"], { stdio: "pipe" });

  expect((await runCaptured(["nats", "config", "operator"], { cwd })).exitCode).toBe(EXIT.ok);
  expect(readFileSync(join(cwd, "operator", "keys", "operator.json"), "utf8")).toBe(keys);
});

/** Processes of the service that `dev` started. */
function serviceOf(dev: ChildProcess): number[] {
  const children = `/proc/${dev.pid}/task/${dev.pid}/children`;
  if (!existsSync(children)) return [];
  return readFileSync(children, "utf8")
    .split(" ")
    .map(Number)
    .filter((pid) => pid > 0 && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("main.ts"));
}

function change(file: string, from: string, to: string): void {
  const path = join(cwd, file);
  const text = readFileSync(path, "utf8");
  expect(text).toContain(from);
  writeFileSync(path, text.replace(from, to));
}
