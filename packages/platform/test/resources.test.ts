import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { jsApi, publishStored } from "../src/registry/jetstream-api.ts";
import { createResourceStore, existingName, type ResourceStore } from "../src/resources/jetstream.ts";
import type { ConsumerResource, KvResource, Resource, StoreResource } from "../src/resources/resource-plan.ts";
import { SHARED_STREAM_DEFAULTS, type SharedStreamLimits } from "../src/resources/shared-streams.ts";
import { startPlainNatsServer, until } from "./plain-nats-server.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";

let server: PlainNatsServer;
let nc: NatsConnection;
let store: ResourceStore;
let count = 0;
let name: string;

beforeAll(async () => {
  server = await startPlainNatsServer();
});
afterAll(() => server.remove());
beforeEach(async () => {
  nc = await connect({ servers: server.url });
  store = createResourceStore(nc, SHARED_STREAM_DEFAULTS);
  name = `d${(count += 1)}`;
});
afterEach(() => nc.close());

const owner = (alias: string, lineage = "orders") => ({ deployment: name, lineage, alias });
const kv = (more: Partial<KvResource> = {}): KvResource => ({
  kind: "kv",
  owner: owner("orders"),
  bucket: `${name}_orders`,
  history: 1,
  ttlMs: 0,
  ...more,
});
const config = async (stream: string) =>
  (await jsApi<{ config: { [option: string]: unknown } }>(nc, `STREAM.INFO.${stream}`)).config;
const put = (key: string, value: string) =>
  publishStored(nc, `$KV.${name}_orders.${key}`, new TextEncoder().encode(value));

describe("buckets", { timeout: 30_000 }, () => {
  test("republish what is stored", async () => {
    expect(await store.ensure(kv())).toBeUndefined();
    const heard: string[] = [];
    nc.subscribe(`kvr.${name}_orders.>`, {
      callback: (_, message) =>
        void heard.push(`${message.subject} ${message.string()} ${message.headers?.get("Nats-Sequence")}`),
    });
    await nc.flush();
    await put("a", "1");
    await until(() => heard.length === 1, "the change is republished");
    expect(heard).toEqual([`kvr.${name}_orders.a 1 1`]);
  });

  test("that expire tell that a key is gone", async () => {
    expect(await store.ensure(kv({ ttlMs: 1_000 }))).toBeUndefined();
    const markers: (string | undefined)[] = [];
    nc.subscribe(`kvr.${name}_orders.>`, {
      callback: (_, message) => void markers.push(message.headers?.get("Nats-Marker-Reason")),
    });
    await nc.flush();
    await put("a", "1");
    await until(() => markers.includes("MaxAge"), "the marker of the expired key is republished");
  });

  test("are made again without harm, adopted with their data, and brought up to date", async () => {
    await store.ensure(kv());
    await put("a", "1");
    expect(await store.ensure(kv())).toBeUndefined();
    expect(await store.ensure(kv({ history: 5, maxValueBytes: 4_096 }))).toBeUndefined();
    const now = await config(`KV_${name}_orders`);
    expect(now["max_msgs_per_subject"]).toBe(5);
    expect(now["max_msg_size"]).toBe(4_096 + 512);
    const { state } = await jsApi<{ state: { messages: number } }>(nc, `STREAM.INFO.KV_${name}_orders`);
    expect(state.messages).toBe(1);
  });

  test("can begin and cease to expire", async () => {
    await store.ensure(kv());
    expect(await store.ensure(kv({ ttlMs: 60_000 }))).toBeUndefined();
    expect((await config(`KV_${name}_orders`))["max_age"]).toBe(60_000 * 1e6);
    expect(await store.ensure(kv())).toBeUndefined();
    expect((await config(`KV_${name}_orders`))["max_age"]).toBe(0);
  });

  test("of somebody else are left alone", async () => {
    await jsApi(nc, `STREAM.CREATE.KV_${name}_orders`, {
      name: `KV_${name}_orders`,
      subjects: [`$KV.${name}_orders.>`],
      storage: "file",
    });
    expect(await store.ensure(kv())).toMatch(/not made by Trellis/);
    expect((await config(`KV_${name}_orders`))["republish"]).toBeUndefined();
  });

  test("of another lineage are left alone", async () => {
    await store.ensure(kv());
    expect(await store.ensure(kv({ owner: owner("orders", "billing") }))).toMatch(
      /belongs to orders of orders in .*trellis svc purge/,
    );
  });

  test("that cannot be made say what is missing", async () => {
    const threefold = createResourceStore(nc, { ...SHARED_STREAM_DEFAULTS, replicas: 3 });
    expect(await threefold.ensure(kv())).toMatch(/three copies need a cluster of three servers/);
  });

  test("that somebody changed are noticed and set right, with more room as with less", async () => {
    await store.ensure(kv({ history: 5, maxValueBytes: 4_096 }));
    await put("a", "1");
    await put("a", "2");
    const fits = async (wanted: KvResource): Promise<boolean> => store.fits(wanted, await store.existing());
    expect(await fits(kv({ history: 5, maxValueBytes: 4_096 }))).toBe(true);
    await jsApi(nc, `STREAM.UPDATE.KV_${name}_orders`, {
      ...(await config(`KV_${name}_orders`)),
      max_msg_size: 100,
      allow_direct: false,
    });
    expect(await fits(kv({ history: 5, maxValueBytes: 4_096 }))).toBe(false);
    const smaller = kv({ history: 1, maxValueBytes: 64 });
    expect(await store.ensure(smaller)).toBeUndefined();
    expect(await fits(smaller)).toBe(true);
    expect(await config(`KV_${name}_orders`)).toMatchObject({ max_msg_size: 64 + 512, allow_direct: true });
    // Fewer values of a key are kept, and the last one is.
    const { state } = await jsApi<{ state: { messages: number } }>(nc, `STREAM.INFO.KV_${name}_orders`);
    expect(state.messages).toBe(1);
  });

  test("made by many at once end as one", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => store.ensure(kv())));
    expect(answers).toEqual(Array.from({ length: 8 }, () => undefined));
  });
});

test("object stores hold chunks and descriptions", async () => {
  const resource: StoreResource = {
    kind: "store",
    owner: owner("files"),
    bucket: `${name}_files`,
    maxTotalBytes: 1_000_000,
  };
  expect(await store.ensure(resource)).toBeUndefined();
  expect(await store.ensure(resource)).toBeUndefined();
  expect(await config(`OBJ_${name}_files`)).toMatchObject({
    subjects: [`$O.${name}_files.C.>`, `$O.${name}_files.M.>`],
    max_bytes: 1_000_000,
    allow_direct: true,
  });
});

describe("shared streams", () => {
  test("take no roll-ups, deletes or purges, whoever asks", async () => {
    expect(await store.ensureShared()).toEqual([]);
    expect(await store.ensureShared()).toEqual([]);
    for (const stream of ["EVENTS", "JOBS"]) {
      expect(await config(stream)).toMatchObject({ deny_delete: true, deny_purge: true, allow_direct: true });
      expect((await config(stream))["allow_rollup_hdrs"] ?? false).toBe(false);
    }
  });

  test("follow their configuration in place, with more as with less, down to the shortest age there may be", async () => {
    const withLimits = (changed: Partial<SharedStreamLimits>) =>
      createResourceStore(nc, { ...SHARED_STREAM_DEFAULTS, ...changed });
    await store.ensureShared();
    const shortest = { eventsMaxAgeMs: 60_000, deadEventsMaxAgeMs: 60_000, jobsMaxAgeMs: 60_000 };
    expect(await withLimits({ ...shortest, eventsMaxBytes: 2_000_000 }).ensureShared()).toEqual([]);
    expect(await config("EVENTS")).toMatchObject({ max_age: 60e9, duplicate_window: 60e9, max_bytes: 2_000_000 });
    for (const stream of ["EVENTS_DEAD", "JOBS", "JOBS_MARKS", "JOBS_WORK"])
      expect(await config(stream)).toMatchObject({ max_age: 60e9 });
    expect(await withLimits({ eventsDedupeMs: 600_000 }).ensureShared()).toEqual([]);
    expect(await config("EVENTS")).toMatchObject({ max_age: 7 * 86_400e9, duplicate_window: 600e9, max_bytes: -1 });
    expect(await store.ensureShared()).toEqual([]);
    expect(await config("EVENTS")).toMatchObject({ duplicate_window: 120e9 });
  });

  test("turn a created job into work for exactly its consumer", async () => {
    await store.ensureShared();
    const jobs = (queue: string): ConsumerResource => ({
      kind: "jobs",
      owner: owner(queue),
      stream: "JOBS_WORK",
      consumer: `${name}_${queue}`,
      filters: [`trellis.work.${name}.${queue}`],
      replay: "all",
      ackWaitMs: 30_000,
      maxDeliver: 5,
      maxAckPending: 100,
    });
    for (const queue of ["mail", "print"]) expect(await store.ensure(jobs(queue))).toBeUndefined();
    await publishStored(nc, `trellis.jobs.${name}.mail.j1.created`, new TextEncoder().encode('{"to":"ann"}'));
    await publishStored(nc, `trellis.jobs.${name}.mail.j1.started`, new TextEncoder().encode("{}"));
    const work = await nc.request(
      `$JS.API.CONSUMER.MSG.NEXT.JOBS_WORK.${name}_mail`,
      JSON.stringify({ batch: 1, expires: 2e9 }),
      { timeout: 3_000, noMux: true },
    );
    expect(work.subject).toBe(`trellis.work.${name}.mail`);
    expect(work.json()).toEqual({ to: "ann" });
    const info = await jsApi<{ num_pending: number }>(nc, `CONSUMER.INFO.JOBS_WORK.${name}_print`);
    expect(info.num_pending).toBe(0);
  });

  test("give an event consumer its filters, and change them in place", async () => {
    await store.ensureShared();
    const group = (filters: readonly string[]): ConsumerResource => ({
      kind: "eventConsumer",
      owner: owner("index"),
      stream: "EVENTS",
      consumer: `${name}_index`,
      filters,
      replay: "new",
      ackWaitMs: 30_000,
      maxDeliver: 8,
      maxAckPending: 1,
    });
    expect(await store.ensure(group(["events.v1.A.B"]))).toBeUndefined();
    expect(await store.ensure(group(["events.v1.A.B", "events.v1.C.*"]))).toBeUndefined();
    const wide = await jsApi<{ config: { [option: string]: unknown } }>(nc, `CONSUMER.INFO.EVENTS.${name}_index`);
    expect(wide.config).toMatchObject({
      filter_subjects: ["*.v1.A.B", "*.v1.C.*"],
      deliver_policy: "new",
      max_ack_pending: 1,
    });
    expect(wide.config["backoff"]).toBeUndefined();
    expect(await store.ensure(group(["events.v1.C.*"]))).toBeUndefined();
    const narrow = await jsApi<{ config: { [option: string]: unknown } }>(nc, `CONSUMER.INFO.EVENTS.${name}_index`);
    expect(narrow.config).toMatchObject({ filter_subjects: ["*.v1.C.*"] });
    expect(await store.ensure(group(["events.v1.C.*"]))).toBeUndefined();
  });

  test("are listed with their consumers", async () => {
    await store.ensureShared();
    const resources: readonly Resource[] = [kv(), { kind: "store", owner: owner("files"), bucket: `${name}_files` }];
    for (const resource of resources) await store.ensure(resource);
    const existing = await store.existing();
    for (const resource of resources) {
      expect(existing.has(existingName(resource))).toBe(true);
      expect(store.fits(resource, existing)).toBe(true);
    }
    expect(existing.has("EVENTS")).toBe(true);
  });
});
