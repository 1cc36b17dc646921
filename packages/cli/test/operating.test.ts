import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNodeSessionKey } from "@trellis/auth/node";
import { TrellisClient } from "@trellis/client/node";
import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { auth } from "@trellis/sdk/auth";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { runCli } from "../src/run-cli.ts";
import { checkNode } from "../src/status/machine-checks.ts";
import { type LocalFolder, startInFolder } from "./local-folder.ts";
import { runCaptured } from "./run-captured.ts";

const Nothing = Type.Object({});
const clock = defineServiceContract({ schemas: { Nothing } }, (ref) => ({
  id: "clock@v1",
  displayName: "Clock",
  description: "Tells the time.",
  rpc: { "Clock.Get": { version: "v1", input: ref.schema("Nothing"), output: ref.schema("Nothing") } },
}));

const maker = defineAgentContract({}, () => ({
  id: "maker@v1",
  displayName: "Maker",
  description: "Makes many.",
  uses: {
    required: {
      auth: auth.use({
        rpc: {
          call: ["Auth.Authority.Plan", "Auth.Deployments.Create", "Auth.Instances.Provision", "Auth.Users.Create"],
        },
      }),
    },
  },
}));

let folder: LocalFolder;
const services: { stop(): Promise<void> }[] = [];
beforeAll(async () => {
  folder = await startInFolder();
});
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop();
});
afterAll(() => folder?.[Symbol.asyncDispose]());

const trellis = (...args: string[]) => runCaptured(args, { cwd: folder.cwd });
async function answer(...args: string[]) {
  const { exitCode, stdout, stderr } = await trellis(...args, "--json");
  expect({ exitCode, stderr }).toEqual({ exitCode: EXIT.ok, stderr: "" });
  return JSON.parse(stdout);
}

async function startService(name: string) {
  const service = await TrellisService.connect({
    contract: clock,
    name,
    cwd: folder.cwd,
    env: {},
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  services.push(service);
  service.handle.rpc.clock.get(() => ok({}));
  await service.start();
  return service;
}

const live = async (name: string): Promise<number> => (await answer("svc", "show", name)).liveReplicas;

describe("trellis svc", () => {
  test("mode changes how contracts are taken, and says so", async () => {
    await startService("mode-clock");
    expect(await answer("svc", "show", "mode-clock")).toMatchObject({ mode: "mutable-dev" });
    expect((await trellis("svc", "mode", "mode-clock", "strict")).stdout).toBe("mode-clock is strict\n");
    expect(await answer("svc", "show", "mode-clock")).toMatchObject({ mode: "strict" });
    expect((await trellis("svc", "mode", "nobody", "strict")).exitCode).toBe(EXIT.notFound);
  });

  test("disable ends connections and lets none in; enable lets them in again", async () => {
    const service = await startService("switch-clock");
    await expect.poll(() => live("switch-clock"), { timeout: 20_000 }).toBe(1);
    expect((await trellis("svc", "disable", "switch-clock")).stdout).toBe("switch-clock is disabled\n");
    await expect.poll(() => live("switch-clock"), { timeout: 20_000 }).toBe(0);
    expect((await trellis("svc", "enable", "switch-clock")).stdout).toBe("switch-clock is enabled\n");
    // Nobody started it anew: it was trying all the time.
    await expect.poll(() => live("switch-clock"), { timeout: 60_000 }).toBe(1);
    expect(service.connection.state).toBe("connected");
  });

  test("one key of a service is disabled and enabled, and the others go on", async () => {
    await startService("key-clock");
    const [{ sessionKey }] = await answer("svc", "instances", "key-clock");
    await expect.poll(() => live("key-clock"), { timeout: 20_000 }).toBe(1);
    const off = await trellis("svc", "disable", "key-clock", "--instance", sessionKey);
    expect(off).toMatchObject({ exitCode: EXIT.ok, stdout: `the key ${sessionKey} of key-clock is disabled\n` });
    await expect.poll(() => live("key-clock"), { timeout: 20_000 }).toBe(0);
    expect(await answer("svc", "show", "key-clock")).toMatchObject({ enabled: true });
    expect((await trellis("svc", "enable", "key-clock", "--instance", sessionKey)).exitCode).toBe(EXIT.ok);
    await expect.poll(() => live("key-clock"), { timeout: 60_000 }).toBe(1);
    expect((await trellis("svc", "disable", "nobody", "--instance", sessionKey)).exitCode).toBe(EXIT.notFound);
  });

  test("reconcile looks again, and shows what is there", async () => {
    await startService("again-clock");
    const { exitCode, stdout } = await trellis("svc", "reconcile", "again-clock");
    expect(exitCode).toBe(EXIT.ok);
    expect(stdout).toContain("again-clock  mutable-dev");
    await expect
      .poll(async () => (await answer("svc", "show", "again-clock")).reconcile.state, { timeout: 20_000 })
      .toBe("ready");
    expect((await trellis("svc", "reconcile", "nobody")).exitCode).toBe(EXIT.notFound);
  });

  test("revoke-instance ends one key for good", async () => {
    await startService("key-clock");
    await expect.poll(() => live("key-clock"), { timeout: 20_000 }).toBe(1);
    const [{ sessionKey }] = await answer("svc", "instances", "key-clock");
    expect((await trellis("svc", "revoke-instance", sessionKey)).stdout).toContain("no longer accepted");
    await expect.poll(() => live("key-clock"), { timeout: 20_000 }).toBe(0);
    expect(await answer("svc", "instances", "key-clock")).toEqual([]);
    expect((await trellis("svc", "revoke-instance", sessionKey)).exitCode).toBe(EXIT.notFound);
  });
});

describe("trellis svc, with words more", () => {
  test("create says which mode, and provision takes a key that is there already", async () => {
    expect(await answer("svc", "create", "eager", "--mutable-dev")).toMatchObject({ mode: "mutable-dev" });
    const { publicKey, file } = await answer("keys", "new", "eager-own.seed");
    const both = await trellis("svc", "provision", "eager", "--key", publicKey, "--out", "x.seed");
    expect(both.exitCode).toBe(EXIT.usage);
    expect(await answer("svc", "provision", "eager", "--key", publicKey)).toMatchObject({ sessionKey: publicKey });
    expect(readdirSync(folder.cwd)).not.toContain("eager.seed");
    const service = await TrellisService.connect({
      contract: clock,
      url: folder.platform.url,
      seedFile: file,
      env: {},
      log: SILENT_LOG,
      onNotice: () => undefined,
    });
    services.push(service);
    expect(await answer("svc", "instances", "eager")).toMatchObject([{ sessionKey: publicKey }]);
  });

  test("purge takes the kind when two have the alias", async () => {
    const twins = defineServiceContract({ schemas: { Nothing } }, (ref) => ({
      id: "clock@v1",
      displayName: "Clock",
      description: "Tells the time.",
      resources: {
        kv: { both: { purpose: "One", schema: ref.schema("Nothing") } },
        store: { both: { purpose: "The other" } },
      },
    }));
    const options = { name: "twins", cwd: folder.cwd, env: {}, log: SILENT_LOG, onNotice: () => undefined };
    await (await TrellisService.connect({ contract: twins, ...options })).stop();
    await (await TrellisService.connect({ contract: clock, ...options })).stop();
    const kinds = async () =>
      (await answer("svc", "resources", "twins", "--released")).map(({ kind }: { kind: string }) => kind);
    expect(await kinds()).toEqual(["kv", "store"]);
    expect((await trellis("svc", "purge", "twins", "both", "--acknowledge", "twins_both")).exitCode).toBe(EXIT.refused);
    const purge = ["svc", "purge", "twins", "both", "--acknowledge", "twins_both", "--kind"];
    expect(await answer(...purge, "store")).toMatchObject({ kind: "store", done: true });
    expect(await kinds()).toEqual(["kv"]);
    expect((await trellis(...purge, "cupboard")).exitCode).toBe(EXIT.usage);
  });
});

describe("lists that are longer than a page", () => {
  test("are shown whole where there is no cursor, and from a place on where there is one", async () => {
    const client = await TrellisClient.connect({
      contract: maker,
      cwd: folder.cwd,
      env: {},
      onNotice: () => undefined,
    });
    const names = Array.from({ length: 101 }, (_, n) => `many-${String(n).padStart(3, "0")}`);
    for (const name of names) await client.rpc.auth.deploymentsCreate({ name }).orThrow();
    await client.rpc.auth.usersCreate({ name: "zoe" }).orThrow();
    const keys = names.map(() => createNodeSessionKey().publicKey);
    for (const sessionKey of keys)
      await client.rpc.auth.instancesProvision({ deployment: "many-000", sessionKey }).orThrow();
    const listed = (await answer("svc", "list")).map(({ name }: { name: string }) => name);
    expect(listed).toEqual(expect.arrayContaining(names));
    expect((await trellis("status")).stdout).toContain("many-100");
    expect(await answer("svc", "instances", "many-000")).toHaveLength(101);
    expect((await answer("svc", "show", "many-000")).instanceList).toHaveLength(101);

    // More than one answer holds by their descriptions, and what is called stands behind them.
    const described = names.slice(0, 40).map((name) => `${name}@v1`);
    for (const id of described) {
      const { manifest } = defineServiceContract({
        id,
        displayName: id,
        description: "A long story. ".repeat(1_100),
      });
      await client.rpc.auth.authorityPlan({ deployment: "many-000", manifest }).orThrow();
    }
    const { contracts } = await answer("status");
    expect(contracts.map(({ id }: { id: string }) => id)).toEqual(expect.arrayContaining(described));
    const called = defineServiceContract({ schemas: { Nothing } }, (ref) => ({
      id: "zz@v1",
      displayName: "Last",
      description: "Comes last.",
      rpc: { "Zz.Get": { version: "v1", input: ref.schema("Nothing"), output: ref.schema("Nothing") } },
    }));
    const last = await TrellisService.connect({
      contract: called,
      name: "zz",
      cwd: folder.cwd,
      env: {},
      log: SILENT_LOG,
      onNotice: () => undefined,
    });
    services.push(last);
    last.handle.rpc.zz.get(() => ok({}));
    await last.start();
    expect(await answer("call", "Zz.Get", "{}")).toEqual({});

    const { users } = await answer("users", "list");
    expect((await answer("users", "list", "--cursor", users[0].id)).users).toEqual(users.slice(1));
    const { sessions } = await answer("sessions", "list");
    expect(sessions.length).toBeGreaterThan(0);
    const after = (await answer("sessions", "list", "--cursor", "agents:")).sessions;
    expect(after.every(({ principal }: { principal: { type: string } }) => principal.type === "user")).toBe(true);
    await client.close();
  }, 60_000);

  test("decisions are found by who made them, page by page", async () => {
    await answer("svc", "create", "audited");
    const page = async (...more: string[]) => answer("audit", "--actor", "developer", "--limit", "1", ...more);
    await expect.poll(async () => (await page()).records, { timeout: 20_000 }).toMatchObject([{ target: "audited" }]);
    const { records, nextCursor } = await page();
    const { records: older } = await page("--cursor", nextCursor);
    expect(older).toHaveLength(1);
    expect(Date.parse(older[0].at)).toBeLessThanOrEqual(Date.parse(records[0].at));
    expect(older).not.toEqual(records);
    expect((await answer("audit", "--actor", "nobody")).records).toEqual([]);
  });
});

describe("trellis sessions", () => {
  test("kick cuts one connection, which comes back while its session may", async () => {
    await startService("kick-clock");
    const [{ sessionKey }] = await answer("svc", "instances", "kick-clock");
    const connections = async (): Promise<{ id: string }[]> =>
      answer("sessions", "connections", "--session", sessionKey);
    await expect.poll(connections, { timeout: 20_000 }).toHaveLength(1);
    const [first] = await connections();
    expect((await trellis("sessions", "kick", first?.id ?? "")).stdout).toBe("cut 1 connection\n");
    await expect
      .poll(async () => (await connections()).map(({ id }) => id !== first?.id), { timeout: 20_000 })
      .toEqual([true]);
  });

  test("revoke refuses a session everywhere, and for good", async () => {
    await startService("gone-clock");
    const [{ sessionKey }] = await answer("svc", "instances", "gone-clock");
    await expect.poll(() => live("gone-clock"), { timeout: 20_000 }).toBe(1);
    expect((await trellis("sessions", "revoke", sessionKey)).stdout).toContain("refused everywhere from now on");
    await expect.poll(() => live("gone-clock"), { timeout: 20_000 }).toBe(0);
    await answer("svc", "disable", "gone-clock");
    await answer("svc", "enable", "gone-clock");
    expect(await live("gone-clock")).toBe(0);
  });
});

test("logs --follow goes on with what comes, until Ctrl-C, and over a log that begins anew", async () => {
  const log = join(folder.cwd, ".trellis", "logs", "control-plane.log");
  const stop = new AbortController();
  let stdout = "";
  const following = runCli({
    args: ["logs", "--follow", "--lines", "0", "--only", "control-plane"],
    cwd: folder.cwd,
    env: {},
    signal: stop.signal,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: () => undefined },
  });
  const line = (msg: string): string => `${JSON.stringify({ level: 30, time: new Date().toISOString(), msg })}\n`;
  // It begins where the file ends when it looks first, so what it must show is written until it does.
  for (let n = 0; !stdout.includes("heard"); n += 1) {
    appendFileSync(log, line("heard"));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  writeFileSync(log, "");
  appendFileSync(log, line("after it was rotated"));
  await expect.poll(() => stdout, { timeout: 20_000 }).toContain("after it was rotated");
  stop.abort();
  expect(await following).toBe(EXIT.ok);
});

describe("trellis doctor", () => {
  const doctor = async (options: Parameters<typeof runCaptured>[1]) => {
    const { exitCode, stdout } = await runCaptured(["doctor", "--json"], options);
    const { healthy, checks } = JSON.parse(stdout);
    expect(exitCode).toBe(healthy ? EXIT.ok : EXIT.no);
    const found = (name: string) => checks.filter((check: { name: string }) => check.name === name);
    return { healthy, found };
  };
  const withPath = { PATH: process.env["PATH"], HOME: process.env["HOME"] };

  test("finds nothing where nothing is wrong", async () => {
    const { healthy, found } = await doctor({ cwd: folder.cwd, env: process.env });
    expect(healthy).toBe(true);
    for (const name of ["Node", "nats-server", "local files", "platform", "clock", "key", "NATS"])
      expect(found(name), name).toMatchObject([{ state: "ok" }]);
  });

  test("a Node that is too old, and a nats-server that is none", async () => {
    expect(checkNode("20.1.0")).toMatchObject({ state: "problem", next: expect.stringContaining("nodejs.org") });
    const { found } = await doctor({
      cwd: folder.cwd,
      env: { ...withPath, TRELLIS_NATS_SERVER: join(folder.cwd, "no-such-server") },
    });
    expect(found("nats-server")).toMatchObject([
      { state: "problem", next: "correct TRELLIS_NATS_SERVER, or unset it" },
    ]);
  });

  test("keys that others may read", async () => {
    const seed = join(folder.cwd, ".trellis", "developer.seed");
    chmodSync(seed, 0o644);
    const { healthy, found } = await doctor({ cwd: folder.cwd, env: process.env });
    chmodSync(seed, 0o600);
    expect(healthy).toBe(false);
    expect(found("local files")).toEqual([
      {
        name: "local files",
        state: "problem",
        detail: "others than you may use .trellis/developer.seed",
        next: `chmod go-rwx ${seed}`,
      },
    ]);
  });

  test("no platform, none that answers, an address that is none", async () => {
    const empty = mkdtempSync(join(tmpdir(), "trellis-nothing-"));
    try {
      expect((await doctor({ cwd: empty, env: withPath })).found("platform")).toMatchObject([
        { state: "problem", next: expect.stringContaining("trellis up") },
      ]);
      const user = { TRELLIS_USER_KEY_FILE: join(folder.cwd, ".trellis", "developer.seed") };
      const away = { ...withPath, ...user, TRELLIS_URL: "http://127.0.0.1:9" };
      expect((await doctor({ cwd: empty, env: away })).found("platform")).toMatchObject([
        { state: "problem", detail: expect.stringContaining("nobody answers at http://127.0.0.1:9") },
      ]);
      const none = { ...withPath, ...user, TRELLIS_URL: "not an address" };
      expect((await doctor({ cwd: empty, env: none })).found("platform")).toMatchObject([
        { state: "problem", next: expect.stringContaining("correct TRELLIS_URL") },
      ]);
      mkdirSync(join(empty, ".trellis"), { mode: 0o700 });
      writeFileSync(join(empty, ".trellis", "local.json"), "{", { mode: 0o600 });
      expect((await doctor({ cwd: empty, env: withPath })).found("platform")).toMatchObject([
        { state: "problem", detail: expect.stringContaining("cannot be read") },
      ]);
    } finally {
      rmSync(empty, { recursive: true, force: true });
    }
  });

  test("a platform that is not ready, one that needs a look, and a clock that is off", async () => {
    const says = {
      status: 503,
      checks: [{ name: "nats", ready: false, detail: "the connection is gone" }] as unknown[],
    };
    const server = createServer((request, response) => {
      const isInfo = request.url?.includes("readyz") !== true;
      response.writeHead(isInfo ? 200 : says.status, { "content-type": "application/json" });
      response.end(
        JSON.stringify(
          isInfo
            ? { version: "1", serverNow: Date.now() - 600_000, platform: { version: "1", local: false } }
            : { checks: says.checks },
        ),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    const env = {
      ...withPath,
      TRELLIS_URL: url,
      TRELLIS_USER_KEY_FILE: join(folder.cwd, ".trellis", "developer.seed"),
    };
    try {
      const down = await doctor({ cwd: folder.cwd, env });
      expect(down.found("platform")).toMatchObject([
        { state: "problem", detail: `${url} answers and is not ready: nats (the connection is gone)` },
      ]);
      expect(down.found("clock")).toMatchObject([
        { state: "problem", detail: expect.stringContaining("600.0 s ahead of the platform") },
      ]);
      says.status = 200;
      says.checks = [{ name: "storage", ready: true, warning: true, detail: "server n1: no room" }];
      const warned = await doctor({ cwd: folder.cwd, env });
      expect(warned.found("platform")).toMatchObject([{ state: "ok" }]);
      expect(warned.found("storage")).toEqual([{ name: "storage", state: "problem", detail: "server n1: no room" }]);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  test("NATS that is gone while the platform answers", async () => {
    await using other = await startInFolder();
    await other.platform.nats.nodes[0]?.kill("SIGKILL");
    const { healthy, found } = await doctor({ cwd: other.cwd, env: process.env });
    expect(healthy).toBe(false);
    expect([...found("NATS"), ...found("platform")]).toContainEqual(expect.objectContaining({ state: "problem" }));
  }, 90_000);
});

test("nats config issues accounts of an older version anew, and only when told to", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "trellis-config-"));
  try {
    const config = async (...more: string[]) => {
      const { stdout, stderr, exitCode } = await runCaptured(["nats", "config", "op", ...more, "--json"], { cwd });
      return { exitCode, stderr, ...JSON.parse(stdout === "" ? "{}" : stdout) };
    };
    expect(await config()).toMatchObject({ upgraded: [], outdated: [], stderr: "" });
    const file = join(cwd, "op", "keys", "server.json");
    const server = JSON.parse(readFileSync(file, "utf8"));
    server.accounts.DATA.jwt = server.accounts.AUTH.jwt;
    writeFileSync(file, JSON.stringify(server));
    expect(await config()).toMatchObject({
      upgraded: [],
      outdated: ["DATA"],
      stderr: expect.stringContaining("--upgrade"),
    });
    expect(await config("--upgrade")).toMatchObject({ upgraded: ["DATA"], outdated: [], stderr: "" });
    const tls = ["--tls-cert", "/etc/n.crt", "--tls-key", "/etc/n.key", "--tls-ca", "/etc/ca.crt"];
    const three = await config("--server", "n1", "n2", "n3", "--data", "/srv/nats", ...tls);
    const written = JSON.parse(readFileSync(three.servers[0], "utf8"));
    expect(written.jetstream.store_dir).toMatch(/^\/srv\/nats/);
    const files = { cert_file: "/etc/n.crt", key_file: "/etc/n.key", ca_file: "/etc/ca.crt" };
    expect(written).toMatchObject({
      tls: files,
      websocket: { tls: files },
      cluster: { tls: { ...files, verify: true } },
    });
    expect((await config("--tls-cert", "only.crt")).exitCode).toBe(EXIT.usage);
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
});
