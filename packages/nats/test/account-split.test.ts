import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { createInbox, headers, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { UserPermissions } from "../src/index.ts";
import { eventually, startLive, type Live } from "./live.ts";

/** The holes of NATS that the account split closes, tried by an authorised but hostile participant. */

let live: Live;
let manager: JetStreamManager;
let data: NatsConnection;

/** What a participant with one bucket, one consumer and the right to publish one event may do. */
const PARTICIPANT: UserPermissions = {
  pub: {
    allow: [
      "$KV.mine.>",
      "$JS.API.DIRECT.GET.KV_mine.>",
      "$JS.API.DIRECT.GET.KV_mine",
      "trellis.leader.KV_mine",
      "$JS.API.CONSUMER.MSG.NEXT.EVENTS.mine",
      "$JS.ACK.EVENTS.mine.>",
      "events.v1.Own",
    ],
  },
  sub: { allow: ["_INBOX.me.>", "kvr.mine.>", "events.v1.Own"] },
};

beforeAll(async () => {
  live = await startLive();
  data = await live.connect("DATA");
  manager = await jetstreamManager(data);
  for (const bucket of ["mine", "victim"]) {
    await manager.streams.add({
      name: `KV_${bucket}`,
      subjects: [`$KV.${bucket}.>`],
      max_msgs_per_subject: 5,
      allow_direct: true,
      allow_rollup_hdrs: true,
      republish: { src: `$KV.${bucket}.>`, dest: `kvr.${bucket}.>` },
    });
  }
  await manager.streams.add({ name: "EVENTS", subjects: ["events.>"], allow_direct: true });
  await manager.consumers.add("EVENTS", {
    durable_name: "mine",
    ack_policy: "explicit",
    filter_subject: "events.v1.Own",
  });
  await manager.consumers.add("EVENTS", {
    durable_name: "victim",
    ack_policy: "explicit",
    filter_subject: "events.v1.Own",
  });
  await data.request("$KV.victim.k", "secret");
}, 30_000);

afterAll(() => live?.close());

const participant = (): Promise<NatsConnection> => live.connect("TRELLIS", PARTICIPANT, { inboxPrefix: "_INBOX.me" });

/** All answers to one request until `last` recognises the end. */
async function answers(
  nc: NatsConnection,
  subject: string,
  body: string,
  last: (message: Msg) => boolean,
): Promise<readonly Msg[]> {
  const inbox = createInbox("_INBOX.me");
  const subscription = nc.subscribe(inbox);
  nc.publish(subject, body, { reply: inbox });
  const found: Msg[] = [];
  const deadline = setTimeout(() => subscription.unsubscribe(), 3_000);
  for await (const message of subscription) {
    found.push(message);
    if (last(message)) break;
  }
  clearTimeout(deadline);
  return found;
}

/** A pulled message keeps its own subject, so `request` of nats.js, which looks at the subject, never sees it. */
async function pullOne(nc: NatsConnection, consumer: string): Promise<Msg> {
  const [message] = await answers(
    nc,
    `$JS.API.CONSUMER.MSG.NEXT.EVENTS.${consumer}`,
    JSON.stringify({ batch: 1 }),
    () => true,
  );
  if (message === undefined) throw new Error("nothing was delivered");
  return message;
}

describe("through the imports", () => {
  it("puts, gets single and in batches, asks the leader, hears changes, pulls and acknowledges", async () => {
    const nc = await participant();
    const changes: Msg[] = [];
    nc.subscribe("kvr.mine.>", { callback: (_, message) => void changes.push(message) });
    await nc.flush();

    const first = (await nc.request("$KV.mine.a", "1")).json<{ stream: string; seq: number }>();
    await nc.request("$KV.mine.b", "2");
    expect(first).toMatchObject({ stream: "KV_mine", seq: 1 });

    expect((await nc.request("$JS.API.DIRECT.GET.KV_mine.$KV.mine.b")).string()).toBe("2");

    const batch = await answers(
      nc,
      "$JS.API.DIRECT.GET.KV_mine",
      JSON.stringify({ seq: 1, batch: 10, next_by_subj: "$KV.mine.>" }),
      (message) => message.headers?.code === 204,
    );
    expect(batch.map((message) => message.string())).toEqual(["1", "2", ""]);

    const fromLeader = await nc.request("trellis.leader.KV_mine", JSON.stringify({ last_by_subj: "$KV.mine.a" }));
    expect(fromLeader.json()).toMatchObject({ message: { seq: 1, data: Buffer.from("1").toString("base64") } });

    await eventually(() => (changes.length === 2 ? true : undefined));
    expect(changes.map((message) => [message.subject, message.string()])).toEqual([
      ["kvr.mine.a", "1"],
      ["kvr.mine.b", "2"],
    ]);

    await nc.request("events.v1.Own", "hello");
    const delivered = await pullOne(nc, "mine");
    expect(delivered.string()).toBe("hello");
    await nc.request(delivered.reply ?? "", "+ACK");
    expect(await manager.consumers.info("EVENTS", "mine")).toMatchObject({
      num_ack_pending: 0,
      ack_floor: { stream_seq: 1 },
    });
  });

  it("passes nothing that creates, changes, lists or purges, whatever the user may publish", async () => {
    const nc = await live.connect("TRELLIS");
    for (const subject of [
      "$JS.API.INFO",
      "$JS.API.STREAM.CREATE.NEW",
      "$JS.API.STREAM.UPDATE.KV_victim",
      "$JS.API.STREAM.PURGE.KV_victim",
      "$JS.API.STREAM.DELETE.KV_victim",
      "$JS.API.STREAM.MSG.DELETE.KV_victim",
      "$JS.API.STREAM.NAMES",
      "$JS.API.CONSUMER.CREATE.KV_victim",
      "$JS.API.CONSUMER.DURABLE.CREATE.KV_victim.spy",
      "$JS.API.CONSUMER.DELETE.EVENTS.victim",
      "$JS.API.CONSUMER.PAUSE.EVENTS.victim",
      "$JS.API.STREAM.LEADER.STEPDOWN.KV_victim",
    ]) {
      const answer = await nc.request(subject, "{}", { timeout: 300 }).then(
        (message) => message.json<{ error?: { err_code: number } }>(),
        () => undefined,
      );
      // No responder, or JetStream saying that this account has none (or that one server is no cluster).
      if (answer !== undefined) expect([10039, 10010], subject).toContain(answer.error?.err_code);
    }
    expect((await manager.streams.info("KV_victim")).state.messages).toBe(1);
  });
});

describe("a hostile reply subject", () => {
  const hostile = [
    "$KV.victim.k",
    "$O.victim.M.x",
    "events.v1.Forged",
    "trellis.jobs.victim.queue.1.created",
    "trellis.ops.victim.1",
    "$JS.API.STREAM.PURGE.KV_victim",
    "$JS.API.CONSUMER.CREATE.KV_victim",
    "$JS.API.CONSUMER.DURABLE.CREATE.KV_victim.spy",
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS.victim",
    "$JS.API.STREAM.DELETE.KV_victim",
    "$JS.ACK.EVENTS.victim.1.1.1.1.0",
    "trellis.leader.KV_victim",
  ];
  /** A body that is a valid request to every API it may be turned against. */
  const poison = JSON.stringify({
    stream_name: "KV_victim",
    config: { deliver_subject: "rpc.v1.Secret", durable_name: "spy", ack_policy: "none" },
  });

  it("changes nothing in DATA: put, direct get, batched get, pull, leader read, acknowledgement", async () => {
    await manager.streams.add({ name: "SPY", subjects: ["$O.>", "trellis.jobs.>", "trellis.ops.>"] });
    const nc = await participant();
    await nc.request("$KV.mine.poison", poison);
    for (let n = 0; n < hostile.length; n++) await nc.request("events.v1.Own", poison);
    const deliveredToVictim = await pullOne(data, "victim");
    expect(deliveredToVictim.reply).toMatch(/^\$JS\.ACK\.EVENTS\.victim\.1\./);
    const before = await snapshot();

    for (const reply of hostile) {
      nc.publish("$KV.mine.poison", poison, { reply });
      nc.publish("$JS.API.DIRECT.GET.KV_mine.$KV.mine.poison", "", { reply });
      nc.publish("$JS.API.DIRECT.GET.KV_mine", JSON.stringify({ seq: 1, batch: 10, next_by_subj: "$KV.mine.poison" }), {
        reply,
      });
      nc.publish("trellis.leader.KV_mine", JSON.stringify({ last_by_subj: "$KV.mine.poison" }), { reply });
      nc.publish("$JS.API.CONSUMER.MSG.NEXT.EVENTS.mine", JSON.stringify({ batch: 1, no_wait: true }), { reply });
      nc.publish("$JS.ACK.EVENTS.mine.1.1.1.1.0", "+ACK", { reply });
    }
    await nc.flush();
    // A put that is answered went through the same streams after all of the above.
    await nc.request("$KV.mine.last", "done");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await snapshot()).toEqual(before);
  });

  // Replies under $JS.ACK pass imports without being rewritten; nats-server refuses them from clients, so far.
  it.each(["", "+ACK", "+TERM", "-NAK", "+NXT", "+WPI"])(
    "acknowledges nothing of another consumer with the stored body %j",
    async (body) => {
      await data.request("events.v1.Own", body);
      const pending = await pullOne(data, "victim");
      const nc = await participant();
      await nc.request("$KV.mine.ack", body);
      for (let n = 0; n < 3; n++) await nc.request("events.v1.Own", body);
      const before = await snapshot();
      const reply = pending.reply ?? "";
      expect(reply).toMatch(/^\$JS\.ACK\.EVENTS\.victim\./);

      nc.publish("$JS.API.DIRECT.GET.KV_mine.$KV.mine.ack", "", { reply });
      nc.publish("$JS.API.DIRECT.GET.KV_mine", JSON.stringify({ seq: 1, batch: 10, next_by_subj: "$KV.mine.ack" }), {
        reply,
      });
      nc.publish("$JS.API.CONSUMER.MSG.NEXT.EVENTS.mine", JSON.stringify({ batch: 20, no_wait: true }), { reply });
      nc.publish("events.v1.Own", body, { reply });
      await nc.flush();
      await new Promise((resolve) => setTimeout(resolve, 200));
      const after = await snapshot();
      expect(after.acknowledged).toEqual(before.acknowledged);
    },
  );

  it("must be stopped for these tests to mean anything: the same attack inside DATA succeeds", async () => {
    const inside = await live.connect("DATA", PARTICIPANT, { inboxPrefix: "_INBOX.me" });
    const before = (await manager.streams.info("KV_victim")).state.last_seq;
    inside.publish("$JS.API.DIRECT.GET.KV_mine.$KV.mine.poison", "", { reply: "$KV.victim.k" });
    await eventually(async () =>
      (await manager.streams.info("KV_victim")).state.last_seq > before ? true : undefined,
    );
  });

  it("can hand a participant an answer of JetStream, which then carries Nats-Stream", async () => {
    const target = await live.connect("TRELLIS", { pub: { allow: [] }, sub: { allow: ["rpc.v1.Secret"] } });
    const heard: Msg[] = [];
    target.subscribe("rpc.v1.Secret", { callback: (_, message) => void heard.push(message) });
    await target.flush();
    const nc = await participant();
    nc.publish("$JS.API.DIRECT.GET.KV_mine.$KV.mine.poison", "", { reply: "rpc.v1.Secret" });
    const [message] = await eventually(() => (heard.length > 0 ? heard : undefined));
    expect(message?.headers?.get("Nats-Stream")).toBe("KV_mine");
  });
});

it("refuses every subject the JWT does not list", async () => {
  const nc = await participant();
  const forged = headers();
  forged.set("Nats-Rollup", "all");
  const before = await snapshot();
  for (const subject of [
    "$KV.victim.k",
    "$JS.API.DIRECT.GET.KV_victim.$KV.victim.k",
    "$SYS.REQ.SERVER.PING",
    "events.v1.Other",
  ]) {
    nc.publish(subject, "x", { headers: forged });
  }
  await nc.flush();
  expect(await snapshot()).toEqual(before);
});

/** All of DATA that is not the participant's own. */
async function snapshot() {
  const victim = await manager.streams.info("KV_victim");
  const events = await manager.streams.info("EVENTS");
  const streams = await manager.streams.list().next();
  const consumer = await manager.consumers.info("EVENTS", "victim");
  const spy = streams.find(({ config }) => config.name === "SPY");
  return {
    names: streams.map(({ config }) => config.name).sort(),
    victim: { ...victim.state, config: victim.config },
    value: (await data.request("$JS.API.DIRECT.GET.KV_victim.$KV.victim.k")).string(),
    events: events.state.last_seq,
    spy: spy?.state.messages,
    acknowledged: [consumer.ack_floor.stream_seq, consumer.num_ack_pending, consumer.delivered.stream_seq],
  };
}
