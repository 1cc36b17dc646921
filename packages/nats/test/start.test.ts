import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { connect as tlsConnect } from "node:tls";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  BUNDLE_FILES,
  BundleError,
  createDirectUser,
  createOperatorBundle,
  directAuthenticator,
  findNatsServer,
  loadControlPlaneKeys,
  loadOperatorBundle,
  openOperatorBundle,
  saveOperatorBundle,
  startNats,
} from "../src/index.ts";
import { spawnGuarded } from "../src/run/guarded-process.ts";
import { startLive } from "./live.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "trellis-nats-test-"));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

// Made for this test, valid for a century, trusted by nobody.
const certFile = join(import.meta.dirname, "tls", "server.crt");
const keyFile = join(import.meta.dirname, "tls", "server.key");

it("speaks TLS on both listeners when told to, and always writes to disk when told to", async () => {
  const live = await startLive({
    tls: { certFile, keyFile },
    websocket: { tls: { certFile, keyFile } },
    syncInterval: "always",
  });
  try {
    const ca = readFileSync(certFile, "utf8");
    expect(live.nats.servers[0]).toMatch(/^tls:/);
    const nc = await live.connect("DATA", undefined, { tls: { ca } });
    expect(nc.info?.tls_required).toBe(true);
    await expect(live.connect("DATA", undefined, { tls: { ca: "" }, reconnect: false })).rejects.toThrow();

    const url = new URL(live.nats.websocketUrls[0] ?? "");
    expect(url.protocol).toBe("wss:");
    const authorized = await new Promise<boolean>((resolve, reject) => {
      const socket = tlsConnect({ host: "127.0.0.1", port: Number(url.port), ca }, () => {
        resolve(socket.authorized);
        socket.destroy();
      }).on("error", reject);
    });
    expect(authorized).toBe(true);
    const config: unknown = JSON.parse(await readFile(join(live.directory, "n1", "nats.json"), "utf8"));
    expect(config).toMatchObject({ jetstream: { sync_interval: "always" } });
  } finally {
    await live.close();
  }
});

it("listens on loopback only, unless told otherwise", async () => {
  const live = await startLive();
  try {
    for (const url of [...live.nats.servers, ...live.nats.websocketUrls, ...live.nats.monitorUrls]) {
      expect(new URL(url).hostname).toBe("127.0.0.1");
    }
    expect(await readFile(live.nats.nodes[0]?.logFile ?? "", "utf8")).toContain(
      "Listening for client connections on 127.0.0.1:",
    );
  } finally {
    await live.close();
  }
});

it("lets a server's garbage wait, within a share of the memory there is", async () => {
  const live = await startLive();
  try {
    const varz: unknown = await (await fetch(`${live.nats.monitorUrls[0]}/varz`)).json();
    expect(varz).toMatchObject({ gomemlimit: expect.any(Number) });
    const { gomemlimit } = varz as { gomemlimit: number };
    expect(gomemlimit).toBeGreaterThan(64 * 1024 ** 2);
    expect(gomemlimit).toBeLessThan(totalmem());
  } finally {
    await live.close();
  }
});

it("names a port that is taken", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const address = other.address();
  const client = typeof address === "object" && address !== null ? address.port : 0;
  try {
    const operator = createOperatorBundle().server;
    const start = startNats({ binary: await findNatsServer(), directory, operator, ports: [{ client }] });
    await expect(start).rejects.toThrow(`port ${client} (client port of nats-server) is in use`);
  } finally {
    other.close();
  }
});

it("says why the server refused to start, and where its log is", async () => {
  const operator = createOperatorBundle().server;
  const missing = join(directory, "missing.pem");
  const start = startNats({
    binary: await findNatsServer(),
    directory,
    operator,
    tls: { certFile: missing, keyFile: missing },
  });
  await expect(start).rejects.toThrow(/n1 did not start: .*missing\.pem.*Its log: .*server\.log/);
});

it("keeps data, keys and ports over a kill, and serves again what was acknowledged", async () => {
  const live = await startLive();
  try {
    const [node] = live.nats.nodes;
    const data = await live.connect("DATA", undefined, { maxReconnectAttempts: -1, reconnectTimeWait: 20 });
    await data.request("$JS.API.STREAM.CREATE.S", JSON.stringify({ name: "S", subjects: ["s"] }));
    await data.request("s", "kept");
    const before = node?.pid;
    await node?.kill("SIGKILL");
    await node?.restart();
    expect(node?.pid).not.toBe(before);
    const again = await live.connect("DATA");
    expect((await again.request("$JS.API.STREAM.INFO.S", "")).json()).toMatchObject({ state: { messages: 1 } });
  } finally {
    await live.close();
  }
});

it("freezes and thaws", async () => {
  const live = await startLive();
  try {
    const [node] = live.nats.nodes;
    const nc = await live.connect("TRELLIS");
    await node?.pause();
    let answered = false;
    const flushed = nc.flush().then(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(answered).toBe(false);
    node?.resume();
    await flushed;
  } finally {
    await live.close();
  }
});

it("keeps the bundle in files only their owner can read, and gives the same one again", async () => {
  const keys = join(directory, "keys");
  const both = await Promise.all([openOperatorBundle(keys), openOperatorBundle(keys)]);
  expect(both[0]).toEqual(both[1]);
  expect(await loadOperatorBundle(keys)).toEqual(both[0]);
  for (const file of Object.values(BUNDLE_FILES)) expect((await stat(join(keys, file))).mode & 0o777).toBe(0o600);
  expect((await stat(keys)).mode & 0o777).toBe(0o700);
  await expect(saveOperatorBundle(keys, createOperatorBundle())).rejects.toThrow();
  await rm(join(keys, BUNDLE_FILES.operator));
  await expect(openOperatorBundle(keys)).rejects.toThrow(BundleError);
  expect(await loadControlPlaneKeys(keys)).toEqual(both[0]?.controlPlane);
});

it("works with a bundle read from disk", async () => {
  const { server, controlPlane } = await openOperatorBundle(join(directory, "keys"));
  const nats = await startNats({ binary: await findNatsServer(), directory, operator: server });
  try {
    const again = await loadControlPlaneKeys(join(directory, "keys"));
    for (const keys of [controlPlane, again]) {
      const authenticator = directAuthenticator(createDirectUser(keys, "SYS", { name: "control-plane" }));
      const nc = await connect({ servers: [...nats.servers], authenticator });
      expect((await nc.request("$SYS.REQ.SERVER.PING", "")).json()).toMatchObject({ server: { name: "n1" } });
      await nc.close();
    }
  } finally {
    await nats.stop();
  }
});

it("guards without a POSIX shell too", async () => {
  const log = join(directory, "log");
  const child = await spawnGuarded(process.execPath, ["-e", "console.log('up'); setInterval(() => {}, 1000)"], log, {
    guard: "node",
  });
  expect(child.running).toBe(true);
  process.kill(child.pid, "SIGKILL");
  expect(await child.exited).not.toBe(0);
});
