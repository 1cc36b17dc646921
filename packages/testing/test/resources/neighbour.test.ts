import { headers, type Msg, type MsgHdrs } from "@nats-io/nats-core";
import { EVENT_CONSUMER_DEFAULTS } from "@trellis/contracts";
import { inboxPrefix, randomToken } from "@trellis/protocol";
import type { TrellisService } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../resilience/kit/eventually.ts";
import { fullService } from "../security/kit/hostile-manifests.ts";
import { type Joined, type Laboratory, openLaboratory } from "../security/kit/laboratory.ts";
import { collect } from "./collect.ts";
import { stock } from "./stock-contract.ts";

/** A service next door that owns a bucket, a store and a consumer, and speaks NATS with its bare hands. */
describe("a hostile neighbour", () => {
  let lab: Laboratory;
  let victim: TrellisService<typeof stock>;
  let mallory: Joined;
  beforeAll(async () => {
    lab = await openLaboratory();
    victim = await lab.platform.connectService(stock, { name: "victim" });
    await victim.kv.items.put("secret", { count: 42 }).orThrow();
    await victim.store.files.put("secret", new Uint8Array(200_000).fill(7)).orThrow();
    const manifest = fullService("mallory");
    mallory = await lab.join({ key: await lab.deploy("mallory", manifest), manifest });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  it("can neither read nor write nor watch", async () => {
    const { nc, violations } = mallory;
    const inbox = `${inboxPrefix(mallory.key.text)}.a.${randomToken(22)}.${randomToken(12)}`;
    const heard: string[] = [];
    nc.subscribe(inbox, { callback: (error, message) => void (error ?? heard.push(message.subject)) });
    const subjects = [
      "$KV.victim_items.secret",
      "$O.victim_files.C.x",
      "$O.victim_files.M.c2VjcmV0",
      "$JS.API.DIRECT.GET.KV_victim_items.$KV.victim_items.secret",
      "$JS.API.DIRECT.GET.KV_victim_items",
      "$JS.API.DIRECT.GET.OBJ_victim_files",
      "trellis.leader.KV_victim_items",
      "$JS.API.STREAM.MSG.GET.KV_victim_items",
      "$JS.API.STREAM.PURGE.KV_victim_items",
      "$JS.API.STREAM.DELETE.OBJ_victim_files",
      "$JS.API.CONSUMER.CREATE.KV_victim_items",
      "kvr.victim_items.secret",
    ];
    for (const subject of subjects)
      nc.publish(subject, JSON.stringify({ last_by_subj: ">", seq: 1 }), { reply: inbox });
    for (const subject of ["kvr.victim_items.>", "kvr.>", "$KV.victim_items.>"])
      nc.subscribe(subject, { callback: (error, message) => void (error ?? heard.push(message.subject)) });
    await nc.flush();
    await violations.settle();
    for (const subject of subjects) expect(violations.seen).toContain(`publish ${subject}`);
    await victim.kv.items.put("secret", { count: 43 }).orThrow();
    expect(heard).toEqual([]);
    expect((await victim.kv.items.entries().orThrow()).map(({ key, value }) => [key, value.count])).toEqual([
      ["secret", 43],
    ]);
    expect((await victim.store.files.list().orThrow()).map(({ name }) => name)).toEqual(["secret"]);
  });

  it("cannot make the server tell a watcher what was never stored", async () => {
    const { nc } = mallory;
    const word = "events.v1.Mallory.Told";
    // Everything that reaches subscribers there, as one sees it who may hear all: the attacks must have arrived.
    const spy = await lab.direct("TRELLIS");
    const arrived: string[] = [];
    spy.subscribe("kvr.victim_items.>", { callback: (_, message) => void arrived.push(message.string()) });
    await spy.flush();
    await using watch = collect(victim.kv.items);
    await watch.ready();
    const before = watch.changes.length;
    const forged = headers();
    forged.set("Nats-Stream", "KV_victim_items");
    forged.set("Nats-Subject", "$KV.victim_items.secret");
    forged.set("Nats-Sequence", "999999");
    forged.set("Nats-Time-Stamp", "2030-01-01T00:00:00Z");
    forged.set("Nats-Last-Sequence", "0");
    const aim = "kvr.victim_items.secret";
    const body = '{"count":666}';
    // As an answer of its own bucket, single and batched, of its leader, and as a delivery of its own consumer.
    const own = "$KV.mallory_cache.bait";
    await publish(mallory, own, body, forged);
    await publish(mallory, word, body, forged);
    nc.publish(`$JS.API.DIRECT.GET.KV_mallory_cache.${own}`, "", { reply: aim });
    nc.publish("$JS.API.DIRECT.GET.KV_mallory_cache", JSON.stringify({ seq: 1, batch: 10, next_by_subj: own }), {
      reply: aim,
    });
    nc.publish("trellis.leader.KV_mallory_cache", JSON.stringify({ last_by_subj: own }), { reply: aim });
    nc.publish(
      "$JS.API.CONSUMER.MSG.NEXT.EVENTS.mallory_group",
      JSON.stringify({ batch: 1, expires: 1_000_000_000, group: EVENT_CONSUMER_DEFAULTS.pinnedGroup }),
      {
        reply: aim,
      },
    );
    nc.publish(own, body, { reply: aim, headers: forged });
    await nc.flush();
    await eventually("the attacks arrive", () => arrived.filter((text) => text === body).length >= 3);
    // What the victim itself stores afterwards is heard, and nothing before it.
    await victim.kv.items.put("sentinel", { count: 1 }).orThrow();
    await eventually("the sentinel is heard", () => watch.of("sentinel").length > 0);
    expect(watch.changes.slice(before)).toMatchObject([{ type: "put", key: "sentinel", value: { count: 1 } }]);
    expect((await victim.kv.items.get("secret").orThrow())?.value.count).toBe(43);
  });
});

/** Publishes into a stream and waits until it is stored. */
async function publish({ nc, key }: Joined, subject: string, body: string, forged: MsgHdrs): Promise<void> {
  const reply = `${inboxPrefix(key.text)}.a.${randomToken(22)}.${randomToken(12)}`;
  const answer = await new Promise<Msg>((resolve) => {
    nc.subscribe(reply, { max: 1, callback: (_, message) => resolve(message) });
    nc.publish(subject, body, { reply, headers: forged });
  });
  const ack: { readonly error?: unknown } = answer.json();
  if (ack.error !== undefined) throw new Error(JSON.stringify(ack.error));
}
