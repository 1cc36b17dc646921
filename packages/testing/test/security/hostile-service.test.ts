import { setTimeout as pause } from "node:timers/promises";
import { defineAgentContract, defineServiceContract, type Manifest } from "@trellis/contracts";
import { HEADERS, inboxPrefix, newReplySubject, randomToken, replyBase } from "@trellis/protocol";
import { ok } from "@trellis/result";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDeadLetters } from "../../../platform/src/events/dead-letters.ts";
import { sharedEventId } from "../../../platform/src/notices/event-id.ts";
import { works } from "../jobs/contract.ts";
import { eventually } from "./kit/eventually.ts";
import { agentOf, fullService } from "./kit/hostile-manifests.ts";
import { type Joined, type Laboratory, openLaboratory } from "./kit/laboratory.ts";
import { ask, askMany, connectRaw, natsHeaders, newKey, Violations } from "./kit/participant.ts";
import { signedRequest } from "./kit/signed-request.ts";
import { storedWorld } from "./kit/stored-world.ts";

/**
 * A service that was accepted, and an agent whose user is known, try every hole of NATS there is. What they may do they do;
 * nothing that is not theirs may change, and nobody honest may do anything for them.
 */
const honest = defineServiceContract(
  {
    schemas: { Note: Type.Object({ text: Type.String() }), Loose: Type.Object({ text: Type.Optional(Type.String()) }) },
  },
  (ref) => ({
    id: "honest@v1",
    displayName: "Honest",
    description: "Answers, and counts.",
    rpc: { "Honest.Echo": { version: "v1", input: ref.schema("Note"), output: ref.schema("Note") } },
    events: { "Honest.Noticed": { version: "v1", event: ref.schema("Loose") } },
  }),
);

const listening = defineAgentContract({
  id: "listening@v1",
  displayName: "Listening",
  description: "Hears what the honest service tells.",
  uses: { required: { honest: honest.use({ events: { subscribe: ["Honest.Noticed"] } }) } },
});

/** How long it is watched that nothing happens. */
const QUIET_MS = 300;
const USES_HONEST = { honest: { contract: "honest@v1", rpc: { call: ["Honest.Echo"] } } };

describe.each([1, 3] as const)("on %i nodes", (nodes) => {
  let lab: Laboratory;
  let mallory: Joined;
  let victim: Joined;
  let eve: Joined;
  let handled: string[] = [];
  let honestKey: string;

  beforeAll(async () => {
    lab = await openLaboratory({ nodes });
    const service = await lab.platform.connectService(honest, { name: "honest" });
    service.handle.rpc.honest.echo(({ input, caller }) => {
      handled.push(`${caller.name} ${input.text}`);
      return ok(input);
    });
    await service.start();
    const { instances } = await lab.platform.admin.rpc.auth.instancesList({ deployment: "honest" }).orThrow();
    honestKey = instances[0]?.sessionKey ?? "";
    mallory = await joinService("mallory", {
      uses: {
        required: { ...USES_HONEST, auth: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Requests.Validate"] } } },
      },
    });
    victim = await joinService("victim");
    eve = await lab.join({ key: newKey(), manifest: agentOf("eve", USES_HONEST), userKey: await lab.user("eve", []) });
    for (const n of [1, 2, 3]) {
      await stored(victim, `$KV.victim_cache.k${n}`, `secret ${n}`);
      await stored(victim, "$O.victim_files.C.1", `bytes ${n}`);
      await stored(victim, "events.v1.Victim.Told", `told ${n}`);
      await stored(victim, `trellis.jobs.victim.queue.${n}.created`, `work ${n}`);
    }
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  async function joinService(name: string, more: Partial<Manifest> = {}): Promise<Joined> {
    const manifest = fullService(name, more);
    return lab.join({ key: await lab.deploy(name, manifest), manifest });
  }

  async function stored({ nc, key }: Joined, subject: string, body: string): Promise<void> {
    const ack: { readonly seq?: number } = JSON.parse((await ask(nc, key, subject, body)).text());
    if (ack.seq === undefined) throw new Error(`${subject} was not stored: ${JSON.stringify(ack)}`);
  }

  /** Mallory on another node: the same key and contract. */
  async function malloryAt(server: string | undefined): Promise<Joined> {
    const nc = await eventually(() =>
      connectRaw(
        { key: mallory.key, manifest: mallory.manifest },
        lab.servers,
        server === undefined ? {} : { server },
      ).catch(() => undefined),
    );
    return { ...mallory, nc, violations: new Violations(nc) };
  }

  /** One of each request, answered: what was sent before on the same connection has been through the same places. */
  async function barrier({ nc, key }: Joined): Promise<void> {
    await stored({ ...mallory, nc, key }, "$KV.mallory_cache.barrier", "x");
    await stored({ ...mallory, nc, key }, "$O.mallory_files.M.barrier", "x");
    await stored({ ...mallory, nc, key }, "events.v1.Mallory.Told", "barrier");
    await stored({ ...mallory, nc, key }, "trellis.jobs.mallory.queue.b.progress", "x");
    await ask(nc, key, "$JS.API.DIRECT.GET.KV_mallory_cache.$KV.mallory_cache.barrier");
    await askMany(
      nc,
      key,
      "$JS.API.DIRECT.GET.KV_mallory_cache",
      JSON.stringify({ seq: 1, batch: 1, next_by_subj: "$KV.mallory_cache.barrier" }),
      { until: ({ headers }) => headers?.code === 204 },
    );
    await ask(
      nc,
      key,
      "trellis.leader.KV_mallory_cache",
      JSON.stringify({ last_by_subj: "$KV.mallory_cache.barrier" }),
    );
    await lab.data.flush();
    await pause(QUIET_MS);
  }

  const world = () => storedWorld(lab.manager, "mallory");

  /** What anything the server may be pointed at could take for a request, an acknowledgement or a word of the control plane. */
  const poisons = (): readonly string[] => [
    "{}",
    "+ACK",
    "+TERM",
    "+NXT",
    "-NAK",
    JSON.stringify({
      stream_name: "KV_victim_cache",
      config: { name: "spy", durable_name: "spy", deliver_subject: "rpc.v1.Victim.Secret", ack_policy: "none" },
    }),
    JSON.stringify({ seq: 1, no_erase: false }),
    JSON.stringify({ type: "revoked", revision: 1_000_000_000 }),
    JSON.stringify({
      kind: "change",
      origin: "mallory",
      previous: 0,
      revision: 1_000_000_000,
      epoch: "forged",
      sessions: [honestKey],
    }),
  ];

  const hostileReplies = (): readonly string[] => [
    "$KV.victim_cache.k1",
    "$O.victim_files.C.1",
    "$O.victim_files.M.1",
    "events.v1.Victim.Told",
    "events.v1.Auth.Sessions.Revoked",
    "events.replay.victim_group.v1.Victim.Told",
    "trellis.jobs.victim.queue.1.created",
    "trellis.jobs.victim.queue.1.cancelled",
    "trellis.work.victim.queue",
    "trellis.dead.victim.group.1",
    "trellis.ops.victim.1",
    "$JS.API.STREAM.PURGE.KV_victim_cache",
    "$JS.API.STREAM.DELETE.KV_victim_cache",
    "$JS.API.STREAM.MSG.DELETE.KV_victim_cache",
    "$JS.API.STREAM.UPDATE.KV_victim_cache",
    "$JS.API.STREAM.CREATE.NEW",
    "$JS.API.CONSUMER.CREATE.KV_victim_cache",
    "$JS.API.CONSUMER.CREATE.KV_victim_cache.spy",
    "$JS.API.CONSUMER.DURABLE.CREATE.KV_victim_cache.spy",
    "$JS.API.CONSUMER.DELETE.EVENTS.victim_group",
    "$JS.API.CONSUMER.PAUSE.EVENTS.victim_group",
    "$JS.API.CONSUMER.RESET.EVENTS.victim_group",
    "$JS.API.CONSUMER.UNPIN.EVENTS.victim_group",
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS.victim_group",
    "$JS.API.CONSUMER.MSG.NEXT.JOBS_WORK.victim_queue",
    "$JS.API.STREAM.PURGE.EVENTS",
    "$JS.API.STREAM.PURGE.JOBS_WORK",
    "$JS.API.STREAM.DELETE.REGISTRY",
    "trellis.leader.KV_victim_cache",
    "$JS.ACK.EVENTS.victim_group.1.1.1.1.0",
    "$JS.ACK.EVENTS.victim_group.1.3.1.1.0",
    "$JS.ACK.JOBS_WORK.victim_queue.1.1.1.1.0",
    "registry.users.x",
    "session.x",
    "audit.x",
    "leases.reconcile",
    "kvr.victim_cache.k1",
    "rpc.v1.Honest.Echo",
    "rpc.v1.Victim.Secret",
    "rpc.v1.Auth.Sessions.Logout",
    "trellis.auth.v1.changes",
    `${inboxPrefix(honestKey)}.c.notice`,
    `${inboxPrefix(victim.key.text)}.c.notice`,
    `${inboxPrefix(victim.key.text)}.a.${randomToken(22)}.${randomToken(12)}`,
    "$SRV.PING",
    "$SYS.REQ.USER.AUTH",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.CLAIMS.UPDATE",
  ];

  it("no reply subject makes the server write, delete, create, pull or acknowledge what is not the asker's", async () => {
    // Deliveries of the victim are out, so that acknowledgements of them would change something.
    const pulledByVictim = await pullAny(victim, "EVENTS", "victim_group");
    const jobOfVictim = await pullAny(victim, "JOBS_WORK", "victim_queue");
    const replies = [...hostileReplies(), pulledByVictim, jobOfVictim];
    for (const [at, poison] of poisons().entries()) {
      await stored(mallory, `$KV.mallory_cache.p${at}`, poison);
      for (let n = 0; n < 5; n += 1) await stored(mallory, "events.v1.Mallory.Told", poison);
    }
    const before = await world();
    for (const server of lab.servers) {
      const attacker = await malloryAt(server);
      const { nc } = attacker;
      for (const [at, poison] of poisons().entries()) {
        const key = `$KV.mallory_cache.p${at}`;
        for (const reply of replies) {
          nc.publish(key, poison, { reply });
          nc.publish("$O.mallory_files.M.p", poison, { reply });
          nc.publish("events.v1.Mallory.Told", poison, { reply });
          nc.publish("trellis.jobs.mallory.queue.p.progress", poison, { reply });
          nc.publish(`$JS.API.DIRECT.GET.KV_mallory_cache.${key}`, "", { reply });
          nc.publish("$JS.API.DIRECT.GET.KV_mallory_cache", JSON.stringify({ seq: 1, batch: 2, next_by_subj: key }), {
            reply,
          });
          nc.publish("$JS.API.DIRECT.GET.KV_mallory_cache", JSON.stringify({ multi_last: [key] }), { reply });
          nc.publish("$JS.API.DIRECT.GET.JOBS.trellis.jobs.mallory.queue.p.progress", "", { reply });
          nc.publish("trellis.leader.KV_mallory_cache", JSON.stringify({ last_by_subj: key }), { reply });
          nc.publish(
            "$JS.API.CONSUMER.MSG.NEXT.EVENTS.mallory_group",
            JSON.stringify({ batch: 1, no_wait: true, group: "one" }),
            { reply },
          );
          nc.publish("$JS.ACK.EVENTS.mallory_group.1.1.1.1.0", "+NXT", { reply });
        }
        await nc.flush();
      }
      await barrier(attacker);
      // nats-server refuses acknowledgements as replies by itself and names no subject; nothing else may have been refused.
      expect([...attacker.violations.seen].filter((line) => line !== "publish ")).toEqual([]);
      await nc.close();
    }
    expect(await world()).toEqual(before);
    expect(handled).toEqual([]);
    // The victim's own deliveries are still its own to acknowledge.
    await ask(victim.nc, victim.key, pulledByVictim, "+ACK");
    expect((await lab.manager.consumers.info("EVENTS", "victim_group")).num_ack_pending).toBe(0);
    await expectHonestService();
  });

  /** Takes one message and gives the subject that acknowledges it. */
  async function pullAny({ nc, key }: Joined, stream: string, consumer: string): Promise<string> {
    const [group] = (await lab.manager.consumers.info(stream, consumer)).config.priority_groups ?? [];
    const taken = await ask(
      nc,
      key,
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
      JSON.stringify({ batch: 1, expires: 9_000_000_000, ...(group === undefined ? {} : { group }) }),
      {
        wanted: ({ reply }) => reply?.startsWith("$JS.ACK.") === true,
      },
    );
    return taken.reply ?? "";
  }

  /** It still serves, and nobody made it forget who it is. */
  async function expectHonestService(): Promise<void> {
    handled = [];
    const wire = signedRequest(eve.key, { subject: "rpc.v1.Honest.Echo", payload: '{"text":"well?"}' });
    const reply = newReplySubject(replyBase(inboxPrefix(eve.key.text), "r", randomToken(22)));
    const answers: string[] = [];
    const listening = eve.nc.subscribe(reply, { callback: (_, message) => void answers.push(message.string()) });
    eve.nc.publish(wire.subject, wire.payload, { headers: wire.headers, reply });
    await eventually(() => answers[0], { what: () => "the honest service does not answer any more" });
    listening.unsubscribe();
    expect(answers).toEqual(['{"text":"well?"}']);
    expect(handled).toEqual(["eve well?"]);
    handled = [];
  }

  it("an answer of JetStream is no request and no notice, whatever is stored in it", async () => {
    const wire = signedRequest(mallory.key, { subject: "rpc.v1.Honest.Echo", payload: '{"text":"smuggled"}' });
    const forged = { "Nats-Stream": "KV_honest", "Nats-Sequence": "1", "Nats-Subject": "rpc.v1.Honest.Echo" };
    const smuggled = {
      ...Object.fromEntries(
        [HEADERS.sessionKey, HEADERS.proof, HEADERS.iat, HEADERS.requestId].map((name) => [
          name,
          wire.headers.get(name),
        ]),
      ),
      ...forged,
    };
    const before = await world();
    for (const headers of [smuggled, { ...smuggled, "Nats-Stream": "" }]) {
      await ask(mallory.nc, mallory.key, "$KV.mallory_cache.smuggled", '{"text":"smuggled"}', { headers });
      await ask(mallory.nc, mallory.key, "events.v1.Mallory.Told", '{"text":"smuggled"}', { headers });
    }
    for (const reply of ["rpc.v1.Honest.Echo", `${inboxPrefix(honestKey)}.c.notice`, "trellis.auth.v1.changes"]) {
      mallory.nc.publish("$JS.API.DIRECT.GET.KV_mallory_cache.$KV.mallory_cache.smuggled", "", { reply });
      mallory.nc.publish(
        "$JS.API.CONSUMER.MSG.NEXT.EVENTS.mallory_group",
        JSON.stringify({ batch: 50, no_wait: true, group: "one" }),
        { reply },
      );
    }
    await barrier(mallory);
    expect(handled).toEqual([]);
    expect(await world()).toEqual(before);
    await expectHonestService();
  });

  it("headers are no powers on shared streams", async () => {
    const before = await world();
    const powers: readonly { readonly [name: string]: string }[] = [
      { "Nats-Rollup": "all" },
      { "Nats-Rollup": "sub" },
      { "Nats-TTL": "1s" },
      { "Nats-TTL": "never" },
      { "Nats-Schedule": "@at 2020-01-01T00:00:00Z", "Nats-Schedule-Target": "events.v1.Victim.Told" },
      { "Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "trellis.jobs.victim.queue.9.created" },
      { "Nats-Scheduler": "events.v1.Victim.Told", "Nats-Schedule-Next": "purge" },
      { "Nats-Expected-Stream": "KV_victim_cache" },
      { "Nats-Expected-Last-Sequence": "0" },
      {
        "Nats-Expected-Last-Subject-Sequence": "0",
        "Nats-Expected-Last-Subject-Sequence-Subject": "events.v1.Victim.Told",
      },
      { "Nats-Incr": "+1" },
      { "Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1" },
      { "Nats-Marker-Reason": "Purge" },
      { "KV-Operation": "PURGE", "Nats-Rollup": "all" },
      { "Nats-Stream-Source": "JOBS:x 999999 > > trellis.jobs.victim.queue.1.created" },
      { "Nats-Required-Api-Level": "0" },
      { "Nats-Time-Stamp": "2020-01-01T00:00:00Z", "Nats-Sequence": "1", "Nats-Stream": "EVENTS" },
    ];
    for (const headers of powers) {
      for (const subject of [
        "events.v1.Mallory.Told",
        "trellis.jobs.mallory.queue.h.created",
        "trellis.dead.mallory.group.1",
        "$KV.mallory_cache.h",
        "$O.mallory_files.M.h",
      ])
        mallory.nc.publish(subject, "power", { headers: natsHeaders(headers) });
    }
    await barrier(mallory);
    expect(await world()).toEqual(before);
    // Work still flows from the truth about jobs into the queue: nobody moved its beginning.
    await stored(victim, "trellis.jobs.victim.queue.after.created", "after");
    await eventually(
      async () =>
        (await lab.manager.streams.getMessage("JOBS_WORK", { last_by_subj: "trellis.work.victim.queue" }))?.string() ===
          "after" || undefined,
    );
  });

  it("what a service writes in the name of the server is not believed where streams are shared", async () => {
    const { rpc } = lab.platform.admin;
    const record = JSON.stringify({ id: "real", context: { requestId: "real" }, payload: {} });
    await stored(victim, "trellis.jobs.victim.queue.real.created", record);
    const forged = (subject: string) =>
      natsHeaders({ "Nats-Subject": subject, "Nats-Sequence": "900000000", "Nats-Time-Stamp": "2020-01-01T00:00:00Z" });
    mallory.nc.publish("trellis.jobs.mallory.queue.f.created", record, {
      headers: forged("trellis.jobs.victim.queue.real.cancelled"),
    });
    mallory.nc.publish("trellis.dead.mallory.group.1", "{}", { headers: forged("trellis.dead.victim.group.7") });
    await barrier(mallory);
    await stored(victim, "trellis.jobs.victim.queue.later.created", record.replaceAll("real", "later"));
    const { jobs } = await rpc.jobs.list({ service: "victim" }).orThrow();
    expect(jobs.map(({ id, state }) => `${id} ${state}`)).toEqual(["later pending", "real pending"]);
    const deadLetters = await createDeadLetters(lab.data, "unused").list({}, 0, 10);
    expect(deadLetters.map(({ id }) => id)).toEqual(["mallory.group.1"]);
  });

  it("an acknowledgement or answer of JetStream is no event to those who listen", async () => {
    await using client = await lab.platform.connectClient(listening);
    await using listener = client.event.honest.noticed.listen();
    await listener.ready;
    const reply = "events.v1.Honest.Noticed";
    await stored(mallory, "$KV.mallory_cache.noticed", '{"text":"forged"}');
    mallory.nc.publish("$KV.mallory_cache.noticed", '{"text":"forged"}', {
      reply,
      headers: natsHeaders({ "Nats-Msg-Id": "forged" }),
    });
    mallory.nc.publish(
      "trellis.leader.KV_mallory_cache",
      JSON.stringify({ last_by_subj: "$KV.mallory_cache.noticed" }),
      { reply },
    );
    mallory.nc.publish("$JS.API.DIRECT.GET.KV_mallory_cache.$KV.mallory_cache.noticed", "", { reply });
    mallory.nc.publish(
      "$JS.API.DIRECT.GET.KV_mallory_cache",
      JSON.stringify({ seq: 1, batch: 1000, next_by_subj: "$KV.mallory_cache.noticed" }),
      { reply },
    );
    mallory.nc.publish(
      "$JS.API.CONSUMER.MSG.NEXT.EVENTS.mallory_group",
      JSON.stringify({ batch: 50, no_wait: true, group: "one" }),
      { reply },
    );
    await barrier(mallory);
    (await lab.direct("TRELLIS")).publish(reply, '{"text":"genuine"}', {
      headers: natsHeaders({ "Nats-Msg-Id": "01GENUINE", "trellis-time": new Date().toISOString() }),
    });
    expect((await listener.next()).value).toMatchObject({ id: "01GENUINE", event: { text: "genuine" } });
  });

  it("nobody can take the id of an event of the platform before it happens", async () => {
    const twin = await malloryAt(lab.servers[0]);
    const own = await eventually(
      async () => {
        const { connections } = await lab.platform.admin.rpc.auth.connectionsList({}).orThrow();
        const found = connections.filter(({ sessionKey }) => sessionKey === mallory.key.text);
        return found.length === 2 ? found : undefined;
      },
      { what: () => "both connections are not known" },
    );
    const kicked = async (): Promise<number> =>
      (await lab.manager.streams.info("EVENTS", { subjects_filter: "events.v1.Auth.Connections.Kicked" })).state
        .subjects?.["events.v1.Auth.Connections.Kicked"] ?? 0;
    const before = await kicked();
    for (const { id, openedAt } of own) {
      for (const what of ["kicked", "closed", "opened"])
        await ask(twin.nc, mallory.key, "events.v1.Mallory.Told", "taken", {
          headers: { "Nats-Msg-Id": sharedEventId(Date.parse(openedAt), `${what} ${id}`) },
        });
    }
    await lab.platform.admin.rpc.auth.connectionsKick({ sessionKey: mallory.key.text }).orThrow();
    await eventually(async () => (await kicked()) === before + own.length || undefined, {
      what: () => "a kick left no event",
    });
    await eventually(() => mallory.nc.isClosed() || undefined);
    mallory = await malloryAt(undefined);
  });

  it("nobody can take the id of a record of somebody else's job before it is written", async () => {
    await using service = await lab.platform.connectService(works, { name: "works" });
    let taken = 0;
    service.handle.job.steady(async ({ payload, job }) => {
      // The neighbour knows the job and where it stands in the stream: both are no secrets.
      const { state } = await lab.manager.streams.info("JOBS");
      for (let sequence = Math.max(1, state.last_seq - 20); sequence < state.last_seq + 20; sequence += 1) {
        for (const id of [`${job.id}.${sequence}`, `${job.id}.${sequence}.`])
          await ask(mallory.nc, mallory.key, "trellis.jobs.mallory.queue.t.progress", "taken", {
            headers: { "Nats-Msg-Id": id },
          });
        taken += 1;
      }
      return ok({ n: payload.n, worker: "honest" });
    });
    await service.start();
    const job = await service.jobs.steady.create({ n: 1 }, { key: "an order everybody has heard of" }).orThrow();
    expect(await job.wait({ timeoutMs: 10_000 }).orThrow()).toEqual({ n: 1, worker: "honest" });
    expect(taken).toBeGreaterThan(20);
  });

  it("message tracing, which a header asks for, reaches no subject its sender may not publish to", async () => {
    const before = await world();
    const targets = [
      "rpc.v1.Honest.Echo.spy",
      "trellis.auth.v1.changes",
      `${inboxPrefix(victim.key.text)}.c.notice`,
      "$KV.victim_cache.k1",
      "events.v1.Victim.Told",
      "$JS.API.STREAM.PURGE.KV_victim_cache",
      "security.trace",
    ];
    const heard: string[] = [];
    for (const account of ["TRELLIS", "DATA"] as const) {
      const spy = await lab.direct(account);
      spy.subscribe(">", {
        callback: (_, message) =>
          void (
            message.string().includes("io.nats.jetstream") ||
            ((message.string().includes('"hops"') || message.string().includes('"events":[{"type"')) &&
              heard.push(`${account} ${message.subject}`))
          ),
      });
      await spy.flush();
    }
    // The sender's own subjects do hear of it, so the spies would see the others.
    mallory.nc.publish("events.v1.Mallory.Told", "traced", {
      headers: natsHeaders({ "Nats-Trace-Dest": "events.v1.Mallory.Told" }),
    });
    await eventually(() => heard.includes("TRELLIS events.v1.Mallory.Told") || undefined, {
      what: () => "no trace was heard at all",
    });
    heard.length = 0;
    for (const target of targets) {
      for (const more of [{}, { "Nats-Trace-Only": "true" }]) {
        const headers = natsHeaders({
          "Nats-Trace-Dest": target,
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
          ...more,
        });
        for (const subject of [
          "events.v1.Mallory.Told",
          "$KV.mallory_cache.t",
          "trellis.jobs.mallory.queue.t.progress",
          "rpc.v1.Honest.Echo",
        ])
          mallory.nc.publish(subject, "traced", { headers });
      }
    }
    // What was stored with the header comes out again.
    mallory.nc.publish("$JS.API.DIRECT.GET.KV_mallory_cache.$KV.mallory_cache.t", "", { reply: "rpc.v1.Honest.Echo" });
    mallory.nc.publish(
      "$JS.API.CONSUMER.MSG.NEXT.EVENTS.mallory_group",
      JSON.stringify({ batch: 50, no_wait: true, group: "one" }),
      { reply: "rpc.v1.Honest.Echo" },
    );
    await barrier(mallory);
    // The first trace, to its own subject, reaches the second spy when it likes.
    expect(heard.filter((where) => !where.endsWith(" events.v1.Mallory.Told"))).toEqual([]);
    expect(await world()).toEqual(before);
  });

  it("what its permissions do not name the server refuses, in every disguise", async () => {
    const before = await world();
    const attempts = [
      ...hostileReplies().filter((subject) => subject !== "rpc.v1.Honest.Echo"),
      "$JS.ACK.EVENTS.victim_group.EVENTS.mallory_group.1.1.0",
      "$JS.ACK.JOBS_WORK.victim_queue.JOBS_WORK.mallory_queue.1.1.0",
      "$JS.API.CONSUMER.CREATE.KV_mallory_cache",
      "$JS.API.CONSUMER.CREATE.EVENTS.spy.events.v1.Victim.Told",
      "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.mallory_group",
      "$JS.API.STREAM.UPDATE.KV_mallory_cache",
      "$JS.API.STREAM.PURGE.KV_mallory_cache",
      "$JS.API.STREAM.DELETE.KV_mallory_cache",
      "$JS.API.STREAM.MSG.DELETE.KV_mallory_cache",
      "$JS.API.STREAM.MSG.GET.KV_mallory_cache",
      "$JS.API.DIRECT.GET.EVENTS.events.v1.Victim.Told",
      "$JS.API.DIRECT.GET.EVENTS",
      "$JS.API.DIRECT.GET.JOBS",
      "$JS.API.DIRECT.GET.JOBS.trellis.jobs.victim.queue.1.created",
      "$JS.API.DIRECT.GET.JOBS_WORK",
      "$JS.API.DIRECT.GET.KV_victim_cache",
      "$JS.API.DIRECT.GET.KV_victim_cache.$KV.victim_cache.k1",
      "$JS.API.DIRECT.GET.OBJ_victim_files",
      "$JS.API.DIRECT.GET.REGISTRY",
      "trellis.leader.REGISTRY",
      "trellis.leader.SESSIONS",
    ];
    for (const { nc, violations, key } of [mallory, eve]) {
      for (const subject of attempts)
        for (const body of ["", "+NXT", "{}", '{"seq":1}'])
          nc.publish(subject, body, { reply: `${inboxPrefix(key.text)}.a.${randomToken(22)}.${randomToken(12)}` });
      await violations.settle();
      expect(attempts.filter((subject) => !violations.seen.has(`publish ${subject}`))).toEqual([]);
    }
    await barrier(mallory);
    expect(await world()).toEqual(before);
  });

  it("a service cannot take part in a neighbour's queue group, nor hear its requests, jobs, changes or inboxes", async () => {
    const subjects = [
      "rpc.v1.Victim.Secret",
      "rpc.v1.Honest.Echo",
      "events.v1.Victim.Told",
      "events.v1.>",
      "trellis.jobs.victim.queue.*.*",
      "kvr.victim_cache.>",
      "$SRV.PING.victim",
      `${inboxPrefix(victim.key.text)}.>`,
      "_INBOX.>",
      "$JS.ACK.>",
      "$KV.>",
      ">",
    ];
    for (const { nc, violations } of [mallory, eve]) {
      for (const subject of subjects)
        for (const queue of [undefined, "victim@v1", "honest@v1"])
          nc.subscribe(subject, { ...(queue ? { queue } : {}), callback: () => undefined });
      await violations.settle();
      const let_in = subjects
        .flatMap((subject) =>
          [undefined, "victim@v1", "honest@v1"].map((queue) => `subscription ${subject}${queue ? ` ${queue}` : ""}`),
        )
        .filter((line) => !violations.seen.has(line));
      expect(let_in).toEqual([]);
    }
  });

  it("an honest service writes nowhere for a hostile caller", async () => {
    const spy = await lab.direct("TRELLIS");
    const targets = [...hostileReplies(), "$KV.honest.x", "_INBOX.x", `${inboxPrefix(mallory.key.text)}.c.notice`];
    const before = await world();
    const heard: string[] = [];
    spy.subscribe(">", {
      callback: (_, message) =>
        void (
          message.string().includes("written for me") &&
          !message.subject.startsWith("rpc.") &&
          heard.push(message.subject)
        ),
    });
    await spy.flush();
    for (const caller of [mallory, eve]) {
      for (const reply of targets) {
        const wire = signedRequest(caller.key, { subject: "rpc.v1.Honest.Echo", payload: '{"text":"written for me"}' });
        caller.nc.publish(wire.subject, wire.payload, { headers: wire.headers, reply });
      }
      await caller.nc.flush();
    }
    await expectHonestService();
    await barrier(mallory);
    await spy.flush();
    expect(heard).toEqual([]);
    expect(handled).toEqual([]);
    expect(await world()).toEqual(before);
  });

  it("an agent's contract, which nobody accepts, gives its user nothing of a service's", async () => {
    const userKey = await lab.user("trudy", []);
    const claims = fullService("victim");
    const manifest: Manifest = {
      ...agentOf("trudy", {}),
      rpc: claims.rpc ?? {},
      events: {
        ...claims.events,
        "Auth.Sessions.Revoked": {
          version: "v1",
          subject: "events.v1.Auth.Sessions.Revoked",
          event: { schema: "Any" },
        },
      },
      jobs: claims.jobs ?? {},
      eventConsumers: claims.eventConsumers ?? {},
      resources: claims.resources ?? {},
    };
    const trudy = await lab.join({ key: newKey(), manifest, userKey });
    const before = await world();
    const subjects = [
      "events.v1.Victim.Told",
      "events.v1.Auth.Sessions.Revoked",
      "$KV.victim_cache.k1",
      "trellis.jobs.victim.queue.1.created",
      "$JS.API.CONSUMER.MSG.NEXT.EVENTS.victim_group",
      "$KV.trudy_cache.k",
    ];
    for (const subject of subjects) trudy.nc.publish(subject, "forged");
    trudy.nc.subscribe("rpc.v1.Victim.Secret", { queue: "victim@v1", callback: () => undefined });
    trudy.nc.subscribe("rpc.v1.Victim.Secret", { queue: "trudy@v1", callback: () => undefined });
    await trudy.violations.settle();
    expect(subjects.filter((subject) => !trudy.violations.seen.has(`publish ${subject}`))).toEqual([]);
    expect([...trudy.violations.seen].filter((line) => line.startsWith("subscription"))).toHaveLength(2);
    expect(await world()).toEqual(before);
  });
});
