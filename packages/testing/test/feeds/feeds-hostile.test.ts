import { createNodeSessionKey, nodeCrypto } from "@trellis/auth/node";
import { connectSession } from "@trellis/client/internal";
import type { LinkMessage } from "@trellis/client/internal";
import { nodeConnect, type TrellisClient } from "@trellis/client/node";
import { defineServiceContract } from "@trellis/contracts";
import {
  encodeStreamControl,
  encodeStreamFrame,
  inboxPrefix,
  newStreamSubject,
  parseStreamFrame,
} from "@trellis/protocol";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { type Counted, startTicker } from "./kit/counting.ts";
import { connectIntruder } from "./kit/intruder.ts";
import { listener } from "./kit/ticker-contract.ts";

const SUBJECT = "feeds.v1.Ticker.Count";
const encoder = new TextEncoder();
const payload = (input: object): Uint8Array => encoder.encode(JSON.stringify(input));

/** Another service, which may answer callers and send frames to those who ask it. */
const neighbour = defineServiceContract({ schemas: { Any: Type.Object({}) } }, (ref) => ({
  id: "neighbour@v1",
  displayName: "Neighbour",
  description: "Another service on the platform.",
  rpc: { "Neighbour.Ask": { version: "v1", input: ref.schema("Any"), output: ref.schema("Any") } },
}));

describe("a hostile neighbour of a reader", () => {
  let platform: TestPlatform;
  let counted: Counted;
  let client: TrellisClient<typeof listener>;
  beforeAll(async () => {
    platform = await startPlatform();
    ({ counted } = await startTicker(platform));
    client = await platform.connectClient(listener);
  });
  afterAll(() => platform.stop());

  /** Opens a feed by hand and answers what came back. */
  const openByHand = async (intruder: Awaited<ReturnType<typeof connectIntruder>>, input: object, reply?: string) => {
    const { link, signer } = intruder.session;
    const frames: LinkMessage[] = [];
    const stream = link.openStream((message) => frames.push(message));
    const body = payload(input);
    link.publish(SUBJECT, body, { headers: signer.sign(SUBJECT, body, 5_000), reply: reply ?? stream.subject });
    await link.flush();
    return { frames, ...stream };
  };
  const controlOf = (frames: readonly LinkMessage[]): string => {
    const ready = frames.map(({ data }) => parseStreamFrame(data)).find((frame) => frame?.type === "ready");
    if (ready?.type !== "ready") throw new Error("it was not opened");
    return ready.control;
  };

  it("cannot hear control messages, nor open a feed into another inbox", async () => {
    await using intruder = await connectIntruder(platform, listener);
    const { link } = intruder.session;
    let refused = 0;
    for (const subject of [`${SUBJECT}.control.stream.>`, SUBJECT, "_INBOX.>"]) {
      link.subscribe(subject, { onMessage: () => expect.fail("it heard something"), onRefused: () => (refused += 1) });
    }
    await link.flush();
    await eventually("NATS refuses all three", () => refused === 3);
    const victim = newStreamSubject(inboxPrefix(createNodeSessionKey().publicKey));
    await openByHand(intruder, { everyMs: 0, label: "elsewhere" }, victim);
    // One of its own, opened after it, is served: the other was seen and dropped.
    const { frames } = await openByHand(intruder, { everyMs: 1, label: "own" });
    await eventually("its own is open", () => frames.length > 0);
    expect(counted.made.has("elsewhere")).toBe(false);
  });

  it("knows the replica and cannot guess the stream: what it sends beside it reaches nobody", async () => {
    await using intruder = await connectIntruder(platform, listener);
    const { link, signer } = intruder.session;
    const reading = client.feed.ticker.count({ everyMs: 5, label: "victim" });
    await reading.next();
    const own = await openByHand(intruder, { everyMs: 5, label: "intruder" });
    const control = await eventually("its own is open", () => own.frames.length > 0 && controlOf(own.frames));
    const replica = control.slice(0, control.lastIndexOf("."));
    const answers: LinkMessage[] = [];
    const inbox = link.openStream((message) => answers.push(message));
    for (const stream of ["*", ">", "A".repeat(22), own.subject.slice(-22)]) {
      for (const message of [{ type: "cancel" }, { type: "credits", upTo: 1_000_000 }] as const) {
        link.publish(`${replica}.${stream}`, encodeStreamControl(message), { reply: inbox.subject });
      }
    }
    // With a proof of its own as well.
    const beat = encodeStreamControl({ type: "heartbeat", seq: 0 });
    const beside = `${replica}.${"B".repeat(22)}`;
    link.publish(beside, beat, { headers: signer.sign(beside, beat, 5_000), reply: inbox.subject });
    await link.flush();
    await eventually("NATS says that nobody is there", () => answers.length > 0);
    expect(answers.every(({ headers }) => headers?.code === 503)).toBe(true);
    for (let n = 2; n < 50; n += 1)
      expect(await reading.next()).toEqual({ done: false, value: { n, pid: process.pid } });
    expect(counted.aborted.has("victim")).toBe(false);
    // Its own stream it may end, of course.
    link.publish(control, encodeStreamControl({ type: "cancel" }));
    await eventually("its own ends", () => counted.aborted.has("intruder"));
    await reading.return();
  });

  it("as a service, cannot put frames into a feed without the inbox only the two of them know", async () => {
    const { admin, url } = platform;
    const key = createNodeSessionKey();
    await admin.rpc.auth.deploymentsCreate({ name: "neighbour", mode: "mutable-dev" }).orThrow();
    await admin.rpc.auth.instancesProvision({ deployment: "neighbour", sessionKey: key.publicKey }).orThrow();
    const session = await connectSession({
      url,
      key,
      contract: neighbour,
      kind: "service",
      crypto: nodeCrypto,
      connect: nodeConnect,
      transport: "tcp",
      onNotice: () => undefined,
    });
    const me = await client.request("Auth.Sessions.Me", {}).orThrow();
    const prefix = inboxPrefix(me.session.sessionKey);
    const reading = client.feed.ticker.count({ everyMs: 5, label: "frames" });
    await reading.next();
    const forged = encodeStreamFrame({ type: "frame", seq: 2, data: { n: 666, pid: 0 } });
    let refused = 0;
    session.link.hearRefusals(() => (refused += 1));
    for (let n = 0; n < 100; n += 1) session.link.publish(newStreamSubject(prefix), forged);
    session.link.publish(SUBJECT, forged, { reply: `${prefix}.s.${"A".repeat(22)}` });
    await session.link.flush();
    for (let n = 2; n < 30; n += 1) expect(await reading.next()).toMatchObject({ value: { n } });
    // It does not use the feed, so it may not even ask for it.
    await eventually("NATS refuses the feed's subject", () => refused === 1);
    await reading.return();
    await session.close();
  });

  it("cannot open a feed again with a request it saw, nor with one it did not sign", async () => {
    await using intruder = await connectIntruder(platform, listener);
    const { link, signer } = intruder.session;
    const own = link.openStream(() => undefined);
    const body = payload({ everyMs: 5, label: "twice" });
    const headers = signer.sign(SUBJECT, body, 5_000);
    const seen: string[] = [];
    const again = link.openStream(({ data }) => {
      const frame = parseStreamFrame(data);
      if (frame?.type === "error") seen.push(String(frame.error["reason"]));
      else if (frame !== undefined) seen.push(frame.type);
    });
    link.publish(SUBJECT, body, { headers, reply: own.subject });
    link.publish(SUBJECT, body, { headers, reply: again.subject });
    await eventually("the second is refused", () => seen.length > 0);
    expect(seen).toEqual(["replayed"]);

    const forged = payload({ everyMs: 5, label: "forged" });
    link.publish(SUBJECT, forged, { headers: signer.sign(SUBJECT, body, 5_000), reply: again.subject });
    const fine = await openByHand(intruder, { everyMs: 5, label: "fine" });
    await eventually("one that is signed is open", () => fine.frames.length > 0);
    expect(seen).toEqual(["replayed"]);
    expect(counted.made.has("forged")).toBe(false);
  });

  it("takes no more feeds than a session may have, and leaves the others theirs", async () => {
    await using crowded = await startPlatform();
    await startTicker(crowded, { limits: { maxOpenFeedsPerSession: 5, maxOpenFeeds: 8 } });
    const greedy = await crowded.connectClient(listener);
    const readings = Array.from({ length: 5 }, () => greedy.feed.ticker.count({ everyMs: 10 }));
    await Promise.all(readings.map((reading) => reading.opened()));
    await expect(greedy.feed.ticker.count({ everyMs: 10 }).opened()).rejects.toMatchObject({
      code: "overloaded",
      message: expect.stringContaining("maxOpenFeedsPerSession"),
    });
    const modest = await crowded.connectClient(listener);
    const others = Array.from({ length: 3 }, () => modest.feed.ticker.count({ everyMs: 10 }));
    await Promise.all(others.map((reading) => reading.opened()));
    await expect(modest.feed.ticker.count({ everyMs: 10 }).opened()).rejects.toMatchObject({
      code: "overloaded",
      message: expect.stringContaining("maxOpenFeeds)"),
    });
    await readings[0]?.return();
    await eventually("there is room again", () => {
      const next = modest.feed.ticker.count({ everyMs: 10 });
      return next.opened().then(
        () => true,
        () => false,
      );
    });
  });
});
