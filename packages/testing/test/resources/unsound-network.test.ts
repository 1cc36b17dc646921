// What happens once in a million calls, made to happen: answers that get lost, replicas that lag, changes nobody hears.
import { createNodeSessionKey, nodeCrypto } from "@trellis/auth/node";
import { connectSession, type Link, type LinkMessage, type Session } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import { portableSha256Stream, TransportError } from "@trellis/protocol";
import { createKv, createStore } from "@trellis/server/internal";
import type { Kv } from "@trellis/server/node";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { collect } from "./collect.ts";
import { stock } from "./stock-contract.ts";

interface Item {
  readonly count: number;
}

let platform: TestPlatform;
let session: Session;
/** Whether the answer to this request gets lost after it was carried out. */
let loses: (subject: string) => boolean;
/** What a lagging replica answers instead; `undefined` lets the real answer through. */
let stale: (subject: string) => LinkMessage | undefined;
/** Whether this change is never heard. */
let deaf: (message: LinkMessage) => boolean;
const asked: string[] = [];

beforeAll(async () => {
  platform = await startPlatform();
  const service = await platform.connectService(stock, { name: "stock" });
  await service.stop();
  const key = createNodeSessionKey();
  await platform.admin.rpc.auth.instancesProvision({ deployment: "stock", sessionKey: key.publicKey }).orThrow();
  session = await connectSession({
    url: platform.url,
    key,
    contract: stock,
    kind: "service",
    crypto: nodeCrypto,
    connect: nodeConnect,
    transport: "tcp",
  });
});
afterAll(async () => {
  await session?.close();
  await platform?.stop();
});
beforeEach(() => {
  loses = () => false;
  stale = () => undefined;
  deaf = () => false;
  asked.length = 0;
});

function unsound(link: Link): Link {
  return {
    get state() {
      return link.state;
    },
    inboxPrefix: link.inboxPrefix,
    get waiting() {
      return link.waiting;
    },
    get maxPayloadBytes() {
      return link.maxPayloadBytes;
    },
    onState: (listener) => link.onState(listener),
    publish: (subject, data, options) => link.publish(subject, data, options),
    async request(subject, data, options) {
      asked.push(subject);
      const old = stale(subject);
      if (old !== undefined) return old;
      const answer = await link.request(subject, data, options);
      if (loses(subject)) throw new TransportError("timeout");
      return answer;
    },
    subscribe: (subject, options) =>
      link.subscribe(subject, {
        ...options,
        onMessage: (message) => {
          if (!deaf(message)) options.onMessage(message);
        },
      }),
    openStream: (onMessage) => link.openStream(onMessage),
    openPull: (...pull) => link.openPull(...pull),
    hearRefusals: (...hear) => link.hearRefusals(...hear),
    flush: () => link.flush(),
    renew: () => link.renew(),
    drain: () => link.drain(),
    close: () => link.close(),
  };
}

function bucket(alias: "items" | "past", resyncMs = 60_000): Kv<Item> {
  const binding = session.facts.bindings.kv[alias];
  if (binding === undefined) throw new Error("no binding");
  return createKv<Item>({
    link: unsound(session.link),
    binding: () => binding,
    schema: stock.manifest.schemas?.["Item"] ?? false,
    times: { resyncMs },
  });
}

/** Loses the next answer to a request on this subject. */
function loseOnce(part: string): void {
  let left = 1;
  loses = (subject) => subject.includes(part) && left-- > 0;
}

describe("when an answer is lost", () => {
  it("a conditional write happened once and is not a conflict", async () => {
    const kv = bucket("past");
    loseOnce("$KV.stock_past.a");
    const { revision } = await kv.create("a", { count: 1 }).orThrow();
    loseOnce("$KV.stock_past.a");
    await kv.update("a", { count: 2 }, revision).orThrow();
    expect((await kv.history("a").orThrow()).map((change) => change.type === "put" && change.value.count)).toEqual([
      1, 2,
    ]);
    loseOnce("$KV.stock_past.a");
    await kv.delete("a", { revision: revision + 1 }).orThrow();
    expect(await kv.history("a").orThrow()).toHaveLength(3);
  });

  it("a put is stored once", async () => {
    const kv = bucket("past");
    loseOnce("$KV.stock_past.b");
    await kv.put("b", { count: 1 }).orThrow();
    expect(await kv.history("b").orThrow()).toHaveLength(1);
  });

  it("an upload has each chunk once, in order", async () => {
    const binding = session.facts.bindings.store["files"];
    if (binding === undefined) throw new Error("no binding");
    const store = createStore({
      link: unsound(session.link),
      binding: () => binding,
      newHash: portableSha256Stream,
      onTrouble: () => undefined,
    });
    const bytes = new Uint8Array(3_000_000).map((_, at) => at % 251);
    let count = 0;
    loses = (subject) => subject.startsWith("$O.stock_files.C.") && !subject.includes("uploads") && count++ % 7 === 3;
    await store.put("lossy", bytes).orThrow();
    loseOnce("$O.stock_files.M.");
    await store.put("lossy", bytes).orThrow();
    const { body, info } = await store.get("lossy").orThrow();
    expect(info.size).toBe(bytes.length);
    expect(Buffer.from(await new Response(body).arrayBuffer()).equals(bytes)).toBe(true);
  });
});

describe("when a replica lags", () => {
  it("what was seen once is not read in an older state", async () => {
    const kv = bucket("items");
    const direct = "$JS.API.DIRECT.GET.KV_stock_items.$KV.stock_items.k";
    const ask = () => session.link.request(direct, new Uint8Array(0), { inbox: "a", timeoutMs: 3_000 });
    const nothing = await ask();
    await kv.put("k", { count: 1 }).orThrow();
    const older = await ask();
    await kv.put("k", { count: 2 }).orThrow();
    for (const answer of [older, nothing]) {
      stale = (subject) => (subject === direct ? answer : undefined);
      asked.length = 0;
      expect((await kv.get("k").orThrow())?.value).toEqual({ count: 2 });
      expect(asked).toEqual([direct, "trellis.leader.KV_stock_items"]);
    }
    // Whoever has seen nothing may be told an older value; `fresh` is not.
    stale = (subject) => (subject === direct ? older : undefined);
    const newcomer = bucket("items");
    expect((await newcomer.get("k").orThrow())?.value).toEqual({ count: 1 });
    expect((await newcomer.get("k", { fresh: true }).orThrow())?.value).toEqual({ count: 2 });
  });

  it("a listing has what the replica lacks, from the leader", async () => {
    const kv = bucket("items");
    await kv.put("tail.a", { count: 1 }).orThrow();
    await kv.put("tail.b", { count: 1 }).orThrow();
    const { revision } = await kv.put("tail.a", { count: 2 }).orThrow();
    // The replica has not heard of the last write: it shows what it has, and ends its page.
    deaf = (message) => Number(message.headers?.get("Nats-Sequence") ?? 0) >= revision;
    let ended = false;
    const wasDeaf = deaf;
    deaf = (message) => {
      if (message.headers?.code === 204 && !ended) {
        ended = true;
        message.headers.set("Nats-Last-Sequence", String(revision - 1));
      }
      return wasDeaf(message);
    };
    const listed = await kv.entries("tail.*").orThrow();
    expect(ended).toBe(true);
    expect(listed.map(({ key, value }) => [key, value.count])).toEqual([
      ["tail.b", 1],
      ["tail.a", 2],
    ]);
  });
});

describe("when a change is not heard", () => {
  it("the next change of the key tells that something is missing, and it is read", async () => {
    const kv = bucket("items");
    await using watch = collect(kv, "gap.*");
    await watch.ready();
    let left = 2;
    deaf = (message) => message.subject.startsWith("kvr.") && left-- > 0;
    await kv.put("gap.a", { count: 1 }).orThrow();
    await kv.put("gap.b", { count: 1 }).orThrow();
    await kv.put("gap.a", { count: 2 }).orThrow();
    await eventually("the other key is told too", () => watch.of("gap.b").length === 1);
    expect(watch.of("gap.a")).toMatchObject([{ value: { count: 2 } }]);
  });

  it("and nothing follows, time brings it", async () => {
    const kv = bucket("items", 300);
    await using watch = collect(kv, "lost.*");
    await watch.ready();
    deaf = (message) => message.subject.startsWith("kvr.");
    await kv.put("lost.a", { count: 1 }).orThrow();
    await eventually("the change is told", () => watch.of("lost.a").length === 1, 5_000);
    await kv.delete("lost.a").orThrow();
    await eventually("the end is told", () => watch.of("lost.a").length === 2, 5_000);
  });
});
