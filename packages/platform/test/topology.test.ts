import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createOperatorBundle, findNatsServer, startNats } from "@trellis/nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { propose } from "../src/authority/proposals.ts";
import { configWith } from "../src/config/load-config.ts";
import { startControlPlane, type ControlPlane } from "../src/control-plane.ts";
import { createDeployment } from "../src/deployments/deployment-commands.ts";
import { listStreams } from "../src/resources/listing.ts";
import { connectAccounts } from "../src/nats-connections.ts";
import { SILENT_LOG } from "../src/log.ts";
import { ANN, manifestOf } from "./control-kit.ts";

const bundle = createOperatorBundle();
let directory: string;
let nats: Awaited<ReturnType<typeof startNats>>;
let accounts: Awaited<ReturnType<typeof connectAccounts>>;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "trellis-topology-"));
  nats = await startNats({ binary: await findNatsServer(), directory, operator: bundle.server, nodes: 3 });
  accounts = await connectAccounts({
    servers: nats.servers,
    keys: bundle.controlPlane,
    ca: undefined,
    origin: "test",
    log: SILENT_LOG,
  });
}, 60_000);
afterAll(async () => {
  await accounts?.[Symbol.asyncDispose]();
  await nats?.stop({ signal: "SIGKILL" });
  rmSync(directory, { recursive: true, force: true });
});

function start(): Promise<ControlPlane> {
  return startControlPlane({
    config: configWith({
      natsServers: nats.servers,
      httpPort: 0,
      reconcileSweepMs: 1_000,
      eventsMaxBytes: 1 << 24,
      deadEventsMaxBytes: 1 << 24,
      jobsMaxBytes: 1 << 24,
    }),
    keys: bundle.controlPlane,
    version: "test",
    log: SILENT_LOG,
  });
}

const copies = async (): Promise<{ readonly [stream: string]: unknown }> =>
  Object.fromEntries((await listStreams(accounts.data)).map(({ config }) => [config.name, config["num_replicas"]]));

test("everything gets three copies when a third server comes, and keeps them when it goes", async () => {
  const [, , third] = nats.nodes;
  // It says goodbye: of one that is killed JetStream learns a minute later, and until then gives it streams.
  await third?.kill("SIGTERM");
  await using first = await start();
  const { context } = first;
  await createDeployment(context, { name: "orders", mode: "mutable-dev", by: ANN });
  const orders = manifestOf("orders@v1", {
    events: ["Orders.Placed"],
    more: {
      resources: {
        kv: { orders: { purpose: "p", schema: { schema: "Any" } } },
        store: { files: { purpose: "f" } },
      },
      eventConsumers: { index: { self: ["Orders.Placed"], replay: "new", ordering: "strict", concurrency: 1 } },
    },
  });
  await propose(context, { deployment: "orders", manifest: orders, by: ANN });
  await expect
    .poll(async () => (await copies().catch(() => ({}))) as object, { timeout: 60_000 })
    .toMatchObject({ REGISTRY: 1, EVENTS: 1, KV_orders_orders: 1, OBJ_orders_files: 1 });

  await third?.restart();
  await expect
    .poll(async () => new Set(Object.values(await copies().catch(() => ({})))), { timeout: 120_000 })
    .toEqual(new Set([3]));
  expect(Object.keys(await copies())).toEqual(expect.arrayContaining(["SESSIONS", "AUDIT", "LEASES", "CLAIMS"]));

  await third?.kill("SIGTERM");
  await using second = await start();
  // It has looked at everything when it has made what is new, and lowered nothing.
  const kv = { a: { purpose: "p", schema: { schema: "Any" } } };
  await createDeployment(second.context, { name: "later", mode: "mutable-dev", by: ANN });
  await propose(second.context, {
    deployment: "later",
    manifest: manifestOf("later@v1", { more: { resources: { kv } } }),
    by: ANN,
  });
  await expect
    .poll(() => second.context.tables.authorities.get("later")?.value.reconcile.state, { timeout: 120_000 })
    .toBe("done");
  expect(new Set(Object.values(await copies()))).toEqual(new Set([3]));
  expect(await copies()).toHaveProperty("KV_later_a");
}, 400_000);
