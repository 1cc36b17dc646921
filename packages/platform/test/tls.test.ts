import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as dialTls } from "node:tls";
import { createNodeSessionKey } from "@trellis/auth/node";
import { defineServiceContract } from "@trellis/contracts";
import { createOperatorBundle, findNatsServer, startNats } from "@trellis/nats";
import { SILENT_LOG, TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { configWith } from "../src/config/load-config.ts";
import { type ControlPlane, startControlPlane } from "../src/control-plane.ts";
import { createDeployment } from "../src/deployments/deployment-commands.ts";
import { provisionInstance } from "../src/deployments/instance-commands.ts";
import { ANN } from "./control-kit.ts";

// An authority made for tests and what it signed; the stranger signed itself.
const file = (name: string): string => join(import.meta.dirname, "../../nats/test/tls", name);
const files = { certFile: file("node.crt"), keyFile: file("node.key"), caFile: file("ca.crt") };
const ca = readFileSync(files.caFile, "utf8");

const Note = Type.Object({ text: Type.String() });
const notes = defineServiceContract({ schemas: { Note } }, (ref) => ({
  id: "notes@v1",
  displayName: "Notes",
  description: "Keeps notes.",
  resources: { kv: { notes: { purpose: "Notes", schema: ref.schema("Note") } } },
}));

const bundle = createOperatorBundle();
let directory: string;
let nats: Awaited<ReturnType<typeof startNats>>;
let controlPlane: ControlPlane;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "trellis-tls-"));
  nats = await startNats({
    binary: await findNatsServer(),
    directory,
    operator: bundle.server,
    nodes: 3,
    tls: files,
    websocket: { tls: files },
    clusterTls: files,
  });
  controlPlane = await startControlPlane({
    config: configWith({ natsServers: nats.servers, natsCaFile: files.caFile, httpPort: 0, eventsMaxBytes: 1 << 24 }),
    keys: bundle.controlPlane,
    version: "test",
    log: SILENT_LOG,
  });
}, 120_000);
afterAll(async () => {
  await controlPlane?.stop();
  await nats?.stop({ signal: "SIGKILL" });
  rmSync(directory, { recursive: true, force: true });
});

test("a service is told the authority, and stores in three copies over nothing but TLS", async () => {
  const key = createNodeSessionKey();
  await createDeployment(controlPlane.context, { name: "notes", mode: "mutable-dev", by: ANN });
  await provisionInstance(controlPlane.context, { deployment: "notes", sessionKey: key.publicKey, by: ANN });
  const service = await TrellisService.connect({
    contract: notes,
    name: "notes",
    url: controlPlane.url,
    key,
    env: {},
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  try {
    await service.kv.notes.put("a", { text: "over TLS" }).orThrow();
    expect((await service.kv.notes.get("a", { fresh: true }).orThrow())?.value).toEqual({ text: "over TLS" });
  } finally {
    await service.stop();
  }
}, 60_000);

/** How a server answers somebody on its cluster port who shows this certificate. */
function dialRoute(identity: { readonly cert?: Buffer; readonly key?: Buffer }): Promise<string> {
  return new Promise((resolve) => {
    let said = "";
    const socket = dialTls({ host: "127.0.0.1", port: nats.nodes[0]?.ports.cluster ?? 0, ca, ...identity });
    socket.on("data", (bytes) => (said += bytes.toString()));
    socket.on("error", (error) => (said += error.message));
    socket.on("close", () => resolve(said));
    socket.once("secureConnect", () => socket.write("PING\r\n"));
  });
}

test("nobody becomes a route without a certificate of the same authority", async () => {
  expect(await dialRoute({})).toMatch(/certificate/i);
  expect(
    await dialRoute({ cert: readFileSync(file("stranger.crt")), key: readFileSync(file("stranger.key")) }),
  ).toMatch(/certificate|unknown ca/i);
  // One of the family gets as far as the protocol, where it lacks the secret of the cluster.
  expect(await dialRoute({ cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) })).toMatch(
    /INFO|-ERR/,
  );
}, 30_000);

test("a client that does not know the authority is told so and sends nothing", async () => {
  const { nodeConnect } = await import("@trellis/client/node");
  await expect(
    nodeConnect({
      servers: [...nats.servers],
      tls: { ca: readFileSync(file("stranger.crt"), "utf8") },
      reconnect: false,
    }),
  ).rejects.toThrow();
}, 30_000);
