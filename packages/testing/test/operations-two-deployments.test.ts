// One contract, two deployments, each with operations of its own: whoever has a reference or an id reaches the right one.
import { createNodeSessionKey, nodeCrypto } from "@trellis/auth/node";
import { connectSession } from "@trellis/client/internal";
import type { OperationRef } from "@trellis/client";
import { nodeConnect, type TrellisClient } from "@trellis/client/node";
import type { OperationsOf } from "@trellis/contracts";
import { OPERATION_ACTIONS } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import type { TrellisService } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { billing, shop } from "./operations/contract.ts";
import { eventually } from "./resilience/kit/eventually.ts";

type Refund = OperationRef<OperationsOf<typeof billing>["Billing.Refund"]>;

const DEPLOYMENTS = ["billing-eu", "billing-us"] as const;
const COUNT = 20;
const SUBJECT = "operations.v1.Billing.Refund";

describe("operations of two deployments", () => {
  let platform: TestPlatform;
  let caller: TrellisClient<typeof shop>;
  let elsewhere: TrellisClient<typeof shop>;
  const services: TrellisService<typeof billing>[] = [];

  const serve = async (name: string): Promise<void> => {
    const service = await platform.connectService(billing, { name, log: SILENT_LOG });
    services.push(service);
    service.handle.operation.billing.refund(async ({ input, op }) => {
      if (input.how === "wait") await op.nextSignal("approve");
      return ok({ order: input.order, by: name });
    });
    service.handle.operation.billing.short(({ input }) => ok({ order: input.order, by: name }));
    await service.start();
  };
  const start = (order: string, options = {}) =>
    caller.operation.billing.refund.start({ order, how: "wait" }, options).orThrow();
  /** Left to NATS which one takes each. */
  const startMany = async (): Promise<readonly Refund[]> => {
    const started = await Promise.all(Array.from({ length: COUNT }, (_, n) => start(`o${n}`)));
    expect(new Set(started.map(({ service }) => service))).toEqual(new Set(DEPLOYMENTS));
    return started;
  };
  /** Only their ids are left of them, in another process. */
  const resumed = (started: readonly Refund[]): readonly Refund[] =>
    started.map(({ id }) => elsewhere.operation.billing.refund.resume(id));
  const firstOf = async (ref: Refund): Promise<string> => {
    for await (const { snapshot } of ref.watch()) return snapshot.service;
    return "nothing";
  };

  beforeAll(async () => {
    platform = await startPlatform();
    // Two replicas of one: they share what is asked of their deployment.
    for (const name of ["billing-eu", "billing-eu", "billing-us"]) await serve(name);
    caller = await platform.connectClient(shop);
    elsewhere = await platform.connectClient(shop);
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop()));
    await platform?.stop();
  });

  it("are observed, signalled and waited for where they run, by their references and by their ids", async () => {
    const started = await startMany();
    const names = started.map(({ service }) => service);
    for (const refs of [started, resumed(started)]) {
      expect(refs.map(({ service }) => service)).toEqual(names);
      const seen = await Promise.all(refs.map((ref) => ref.get().orThrow()));
      expect(seen.map(({ service }) => service)).toEqual(names);
      expect(await Promise.all(refs.map(firstOf))).toEqual(names);
    }
    const waiting = Promise.all(started.map((ref) => ref.wait().orThrow()));
    await Promise.all(resumed(started).map((ref) => ref.signal("approve", { by: "Ada" }).orThrow()));
    expect((await waiting).map(({ by }) => by)).toEqual(names);
    const again = await Promise.all(resumed(started).map((ref) => ref.wait().orThrow()));
    expect(again.map(({ order }) => order)).toEqual(started.map((_, n) => `o${n}`));
  });

  it("are cancelled where they run", async () => {
    const started = await startMany();
    await Promise.all(resumed(started).map((ref) => ref.cancel("enough").orThrow()));
    for (const ended of await Promise.all(started.map((ref) => ref.wait())))
      expect(ended).toMatchObject({ ok: false, error: { reason: "cancelled" } });
  });

  it("are started where the caller says: there a key is one operation, and in the other another", async () => {
    for (const service of DEPLOYMENTS)
      for (let n = 0; n < 5; n += 1) {
        const one = await start("keyed", { key: "the one", service });
        expect(one).toMatchObject({ service, created: n === 0, snapshot: { service } });
        const input = { order: `run ${n}` };
        expect(await caller.operation.billing.refund.run(input, { service }).orThrow()).toMatchObject({ by: service });
        if (n === 4) await one.cancel().orThrow();
      }
    const { refund } = caller.operation.billing;
    await expect((async () => refund.start({ order: "o" }, { service: "*" }))()).rejects.toThrow(RangeError);
    const nowhere = await refund.start({ order: "o" }, { service: "billing-mars", timeoutMs: 300 });
    expect(nowhere).toMatchObject({ ok: false, error: { code: "no_responders" } });
  });

  it("are asked about by operators without saying where", async () => {
    for (const service of DEPLOYMENTS) {
      const { id } = await start("operated", { service });
      const ref = { operation: "Billing.Refund", id };
      const { operation } = await platform.admin.rpc.trellis.operationsGet(ref).orThrow();
      expect(operation).toMatchObject({ id, service });
      await platform.admin.rpc.trellis.operationsCancel(ref).orThrow();
    }
    for (const id of ["billing-mars_abc", "billing-eu_abc"])
      expect(await platform.admin.rpc.trellis.operationsGet({ operation: "Billing.Refund", id })).toMatchObject({
        ok: false,
        error: { type: "NotFound" },
      });
  });

  it("are not found at a deployment that does not have them, and an id says where to ask", async () => {
    const { id } = await start("here", { service: "billing-eu" });
    const moved = id.replace("billing-eu_", "billing-us_");
    const found = await caller.operation.billing.refund.resume(moved).get();
    expect(found).toMatchObject({ ok: false, error: { reason: "not_found" } });
    expect(() => caller.operation.billing.refund.resume(id.replace("billing-eu_", ""))).toThrow(RangeError);
    await caller.operation.billing.refund.resume(id).cancel().orThrow();
  });

  it("are hidden from the other deployment, however hostile: it hears nothing that is asked of its neighbour", async () => {
    const key = createNodeSessionKey();
    await platform.admin.rpc.auth.instancesProvision({ deployment: "billing-us", sessionKey: key.publicKey }).orThrow();
    const hostile = await connectSession({
      url: platform.url,
      key,
      contract: billing,
      kind: "service",
      crypto: nodeCrypto,
      connect: nodeConnect,
      transport: "tcp",
      onNotice: () => undefined,
    });
    const heard: string[] = [];
    const refused: string[] = [];
    const listen = (subject: string, queue?: string) =>
      hostile.link.subscribe(subject, {
        ...(queue === undefined ? {} : { queue }),
        onMessage: (message) => heard.push(message.subject),
        onRefused: () => refused.push(`${subject} ${queue ?? ""}`),
      });
    const wanted = [
      ...[...OPERATION_ACTIONS, "*"].flatMap((action) =>
        ["billing-eu", "*", ">"].map((token) => `${SUBJECT}.control.${action}.${token}`),
      ),
      ...["billing-eu.*.*", "billing-eu.>", "*.*.*", ">"].map((tail) => `${SUBJECT}.control.stream.${tail}`),
      `${SUBJECT}.control.>`,
      `${SUBJECT}.>`,
      "trellis.ops.billing-eu.inbox.*.*",
      "kvr.OPS_billing-eu.*.*",
    ];
    const asked = wanted.flatMap((subject) => [undefined, "billing@v1", "q"].map((queue) => [subject, queue] as const));
    for (const [subject, queue] of asked) listen(subject, queue);
    // Even of its own it hears only its turn.
    listen(`${SUBJECT}.control.get.billing-us`);
    await hostile.link.flush();
    await eventually("NATS refuses all of them", () => refused.length === asked.length + 1);

    const started = await Promise.all(
      Array.from({ length: COUNT }, (_, n) => start(`hidden ${n}`, { service: "billing-eu" })),
    );
    await Promise.all(started.map(firstOf));
    await Promise.all(started.map((ref) => ref.get().orThrow()));
    const waiting = Promise.all(started.map((ref) => ref.wait().orThrow()));
    await Promise.all(started.map((ref) => ref.signal("approve", { by: "Ada" }).orThrow()));
    expect((await waiting).every(({ by }) => by === "billing-eu")).toBe(true);
    expect(heard).toEqual([]);
    await hostile.close();
  });
});
