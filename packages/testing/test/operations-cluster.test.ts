import type { NatsConnection } from "@nats-io/nats-core";
import type { NatsNode } from "@trellis/nats";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { expect, it } from "vitest";
import { startPlatform } from "../src/index.ts";
import { connectData } from "./jobs/direct.ts";
import { billing, shop } from "./operations/contract.ts";
import { storedOperations } from "./operations/stored-operations.ts";
import { eventually } from "./resilience/kit/eventually.ts";
import { QUIET } from "./resilience/kit/quiet.ts";

it("operations go on when the leaders of their streams are killed, and nobody hears an error", async () => {
  await using platform = await startPlatform({ nodes: 3 });
  const { nodes } = platform.local.nats;
  await using data = await connectData(platform);
  await using service = await platform.connectService(billing, { log: SILENT_LOG, ...QUIET });
  const ran: string[] = [];
  const gate = Promise.withResolvers<void>();
  service.handle.operation.billing.refund(async ({ input, op }) => {
    await op.step("one", () => ran.push("one"));
    await gate.promise;
    await op.step("two", () => ran.push("two"));
    // The server wakes it.
    await op.sleep(10_000);
    await op.step("three", () => ran.push("three"));
    return ok({ order: input.order, by: ran.join(" ") });
  });
  service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
  await service.start();
  const caller = await platform.connectClient(shop, QUIET);
  const started = await caller.operation.billing.refund.start({ order: "r3" }, { timeoutMs: 30_000 }).orThrow();
  const watched = (async () => {
    const revisions: number[] = [];
    for await (const { snapshot } of started.watch()) revisions.push(snapshot.revision);
    return revisions;
  })();
  const waited = started.wait({ timeoutMs: 120_000 });

  await eventually("its first step is recorded", () => ran.includes("one"));
  const journal = await leaderOf(data, nodes, "OPS_billing");
  await journal.kill("SIGKILL");
  gate.resolve();
  await eventually("it sleeps", async () => {
    const now = await started.get();
    return now.ok && now.value.pause?.for === "time";
  });
  await journal.restart();
  const work = await leaderOf(data, nodes, "OPS_WORK_billing");
  await work.kill("SIGKILL");

  expect(await waited.orThrow()).toEqual({ order: "r3", by: "one two three" });
  expect(ran).toEqual(["one", "two", "three"]);
  const revisions = await watched;
  expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
  await work.restart();
  const records = (await storedOperations(data, "billing")).get(started.id);
  expect(records?.map(({ record }) => [record.kind, record.snapshot.revision])).toEqual([
    ["completed", revisions.at(-1)],
  ]);
}, 180_000);

it("a record that takes longer to store than its answer is waited for is still its run's", async () => {
  await using platform = await startPlatform({ nodes: 3 });
  const { nodes } = platform.local.nats;
  await using data = await connectData(platform);
  const before = await connectionsOf(nodes);
  await using service = await platform.connectService(billing, { log: SILENT_LOG, ...QUIET });
  const after = await connectionsOf(nodes);
  const near = nodes.find((_, index) => (after[index] ?? 0) > (before[index] ?? 0));
  const ran: string[] = [];
  const gate = Promise.withResolvers<void>();
  service.handle.operation.billing.refund(async ({ input, op }) => {
    await gate.promise;
    await op.step("one", () => ran.push("one"));
    return ok({ order: input.order, by: ran.join(" ") });
  });
  service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: "short" }));
  await service.start();
  const caller = await platform.connectClient(shop, QUIET);
  const started = await caller.operation.billing.refund.start({ order: "slow" }, { timeoutMs: 30_000 }).orThrow();
  await eventually("it runs", async () => {
    const now = await started.get();
    return now.ok && now.value.state === "running";
  });
  await eventually("the service's own server leads its journal", async () => {
    if ((await leaderOf(data, nodes, "OPS_billing")) === near) return true;
    const wish = JSON.stringify({ placement: { preferred: near?.name } });
    await data.request("$JS.API.STREAM.LEADER.STEPDOWN.OPS_billing", wish, { timeout: 2_000 }).catch(() => undefined);
    return undefined;
  });

  // The leader takes the record, nobody confirms it, and the service asks again: it is being stored, says the leader then.
  const others = nodes.filter((node) => node !== near);
  for (const { pid } of others) process.kill(pid ?? 0, "SIGSTOP");
  gate.resolve();
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  for (const { pid } of others) process.kill(pid ?? 0, "SIGCONT");

  expect(await started.wait({ timeoutMs: 60_000 }).orThrow()).toEqual({ order: "slow", by: "one" });
  const records = (await storedOperations(data, "billing")).get(started.id);
  expect(records?.map(({ record }) => [record.kind, record.snapshot.attempt])).toEqual([["completed", 1]]);
}, 120_000);

/** How many connections each server has. */
function connectionsOf(nodes: readonly NatsNode[]): Promise<readonly number[]> {
  return Promise.all(
    nodes.map(async ({ ports }) => {
      const answer = await fetch(`http://127.0.0.1:${ports.monitor}/connz`);
      const { num_connections: count } = (await answer.json()) as { num_connections: number };
      return count;
    }),
  );
}

/** The server that leads a stream of three replicas. */
function leaderOf(data: NatsConnection, nodes: readonly NatsNode[], stream: string): Promise<NatsNode> {
  return eventually(`${stream} has a leader`, async () => {
    const answer = await data.request(`$JS.API.STREAM.INFO.${stream}`, "", { timeout: 2_000 }).catch(() => undefined);
    const info = answer?.json<{ config?: { num_replicas: number }; cluster?: { leader?: string } }>();
    if (info?.config?.num_replicas !== 3) return undefined;
    return nodes.find(({ name }) => name === info.cluster?.leader);
  });
}
