import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, expect, test } from "vitest";
import type { TableDefinition } from "../src/registry/registry.ts";
import { ANN, manifestOf, newKey } from "./control-kit.ts";
import { deploy, startLivePlatform } from "./live-control.ts";
import type { LivePlatform } from "./live-control.ts";
import { until } from "./plain-nats-server.ts";
import { present } from "./present.ts";

interface Count {
  readonly value: number;
}
const COUNTS: TableDefinition<Count> = { name: "counts", version: 1, decode: (value) => value as Count };
const ORDERS = manifestOf("orders@v1", { rpc: { "Orders.Get": [] } });

let platform: LivePlatform;
afterEach(() => platform?.close());

const open = (connections: readonly NatsConnection[]): number => connections.filter((nc) => !nc.isClosed()).length;

test("kill -9 of the only nats-server: participants come back by themselves, presence is true again, revocation works", async () => {
  platform = await startLivePlatform();
  const replica = await platform.replica({ connectionSweepMs: 500 });
  const keys = Array.from({ length: 100 }, newKey);
  await deploy(replica, "orders", ORDERS, keys);
  const connections = await Promise.all(keys.map((key) => platform.participant(key, ORDERS, { reconnect: true })));
  await until(() => replica.connections.replicas("orders") === 100, "all are seen");
  const before = new Set(replica.connections.all().map(({ serverId }) => serverId));

  const [node] = platform.nats.nodes;
  await present(node).kill();
  await present(node).start();
  await until(
    () =>
      replica.connections.replicas("orders") === 100 &&
      replica.connections.all().every(({ serverId }) => !before.has(serverId)),
    "all are back",
    30_000,
  );
  expect(open(connections)).toBe(100);
  expect(replica.connections.size).toBe(100);

  const { revision } = await replica.access.revoke({ sessionKey: present(keys[0]).text, by: ANN, reason: "test" });
  expect(revision).toBeGreaterThan(0);
  await until(() => !replica.connections.connected(present(keys[0]).text), "the revoked one is out");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(replica.connections.replicas("orders")).toBe(99);
}, 60_000);

test("three nodes, two replicas: one node is killed in the middle of it; nothing is lost or doubled", async () => {
  platform = await startLivePlatform(3);
  const replicas = [
    await platform.replica({ connectionSweepMs: 500 }),
    await platform.replica({ connectionSweepMs: 500 }),
  ];
  const [one, two] = replicas;
  const keys = Array.from({ length: 30 }, newKey);
  await deploy(present(one), "orders", ORDERS, keys);
  await present(two).registry.reached(present(one).registry.revision);
  const connections = await Promise.all(keys.map((key) => platform.participant(key, ORDERS, { reconnect: true })));
  for (const { connections: seen } of replicas) await until(() => seen.replicas("orders") === 30, "all are seen");

  // Transfers between two records, as batches, while the sum is watched; and a counter both replicas raise.
  const torn: number[] = [];
  for (const { registry } of replicas) {
    const counts = registry.table(COUNTS);
    await registry.transact((tx) => {
      for (const id of ["left", "right", "both"]) if (!tx.get(counts, id)) tx.put(counts, id, { value: 0 });
    });
    registry.onChange(() => {
      const sum = (counts.get("left")?.value.value ?? 0) + (counts.get("right")?.value.value ?? 0);
      if (sum !== 0) torn.push(sum);
    });
  }
  let done = 0;
  const rounds = 40;
  const work = replicas.map(async ({ registry }) => {
    const counts = registry.table(COUNTS);
    for (let round = 0; round < rounds; round += 1) {
      await registry.transact((tx) => {
        const at = (id: string): number => tx.get(counts, id)?.value ?? 0;
        tx.put(counts, "both", { value: at("both") + 1 });
        tx.put(counts, "left", { value: at("left") + 1 });
        tx.put(counts, "right", { value: at("right") - 1 });
      });
      done += 1;
    }
  });
  await until(() => done > 15, "transactions run");
  const [, victim] = platform.nats.nodes;
  await present(victim).kill();
  await Promise.all(work);
  for (const { registry } of replicas) {
    await registry.reached(Math.max(...replicas.map(({ registry: { revision } }) => revision)));
    expect(registry.table(COUNTS).get("both")?.value.value).toBe(2 * rounds);
  }
  expect(torn).toEqual([]);

  // The killed node said goodbye to nobody: its connections are found gone, and back on the others.
  for (const { connections: seen } of replicas)
    await until(() => seen.replicas("orders") === 30 && seen.size === 30, "presence is true", 30_000);
  expect(open(connections)).toBe(30);
  await present(two).access.revoke({ sessionKey: present(keys[3]).text, by: ANN, reason: "test" });
  for (const { connections: seen } of replicas)
    await until(() => !seen.connected(present(keys[3]).text), "revoked everywhere");
}, 120_000);
