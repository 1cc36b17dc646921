import { AuthError, TransportError, UnexpectedError, ValidationError } from "@trellis/protocol";
import type { TrellisClient } from "@trellis/client/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { type Counted, keptLog, startTicker } from "./kit/counting.ts";
import { listener } from "./kit/ticker-contract.ts";

describe("a feed", () => {
  let platform: TestPlatform;
  let client: TrellisClient<typeof listener>;
  let counted: Counted;
  const { log, lines } = keptLog();
  beforeAll(async () => {
    platform = await startPlatform();
    ({ counted } = await startTicker(platform, { log, limits: { feedHeartbeatMs: 500 } }));
    client = await platform.connectClient(listener);
  });
  afterAll(() => platform.stop());

  it("brings every frame in order, then ends", async () => {
    const seen: number[] = [];
    for await (const tick of client.feed.ticker.count({ everyMs: 0, upTo: 5_000 })) seen.push(tick.n);
    expect(seen).toEqual(Array.from({ length: 5_000 }, (_, at) => at + 1));
  });

  it("is read by its logical name as well", async () => {
    const seen: number[] = [];
    const reading = client.feed("Ticker.Count").input({ everyMs: 0, upTo: 3, cursors: true }).subscribe();
    for await (const { n } of reading) seen.push(n);
    expect(seen).toEqual([1, 2, 3]);
    expect(reading.cursor).toBe("3");
    const later: number[] = [];
    for await (const { n } of client.feed.ticker.count({ everyMs: 0, upTo: 5, cursors: true }, { cursor: "3" }))
      later.push(n);
    expect(later).toEqual([4, 5]);
  });

  it("is cancelled at once by leaving the loop", async () => {
    for await (const { n } of client.feed.ticker.count({ everyMs: 10, label: "leaves" })) if (n === 3) break;
    await eventually("the signal aborts", () => counted.aborted.get("leaves"), 5_000);
    await eventually("the generator is finished", () => counted.finished.get("leaves") === 1, 2_000);
  });

  it("is cancelled by the reader's signal, whose reason the loop throws", async () => {
    const stop = new AbortController();
    const why = new Error("enough");
    const read = async (): Promise<void> => {
      for await (const { n } of client.feed.ticker.count({ everyMs: 5, label: "signal" }, { signal: stop.signal })) {
        if (n === 3) stop.abort(why);
      }
    };
    await expect(read()).rejects.toBe(why);
    await eventually("the signal aborts", () => counted.aborted.get("signal"), 2_000);
  });

  it("cancelled before the service has answered, it does not stay open", async () => {
    const reading = client.feed.ticker.count({ everyMs: 5, label: "early" });
    const first = reading.next();
    await reading.return();
    expect(await first).toEqual({ done: true, value: undefined });
    await eventually(
      "it was opened and ended",
      () => counted.finished.get("early") === 1 || counted.open.get("early") === 0,
      2_000,
    );
  });

  it("goes no further than its reader has room for, and others are not slowed", async () => {
    const slow = client.feed.ticker.count({ everyMs: 0, label: "slow", pad: 1_000 });
    await slow.next();
    let fast = 0;
    for await (const { n } of client.feed.ticker.count({ everyMs: 0, upTo: 20_000, label: "fast" })) fast = n;
    expect(fast).toBe(20_000);
    // 16 credits, and the one frame that was asked for and waits.
    expect(counted.made.get("slow")).toBeLessThanOrEqual(40);
    const seen: number[] = [];
    for await (const { n } of slow) {
      seen.push(n);
      if (n === 500) break;
    }
    expect(seen).toEqual(Array.from({ length: 499 }, (_, at) => at + 2));
  });

  it("stays open while nothing happens, by heartbeats", async () => {
    const reading = client.feed.ticker.count({ everyMs: 3_000, label: "idle" });
    expect(await reading.next()).toMatchObject({ value: { n: 1 } });
    expect(await reading.next()).toMatchObject({ value: { n: 2 } });
    await reading.return();
  });

  it("refuses an input that is not what the contract says, here and there", async () => {
    // @ts-expect-error not a number
    const wrong = client.feed.ticker.count({ everyMs: "often" });
    await expect(wrong.next()).rejects.toBeInstanceOf(ValidationError);
  });

  it("says nothing of an undeclared error but an id that is in the log", async () => {
    const reading = client.feed.ticker.odd({ how: "throws" });
    expect(await reading.next()).toMatchObject({ done: false });
    const error: unknown = await reading.next().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnexpectedError);
    const id = error instanceof UnexpectedError ? error.id : "";
    expect(String(error)).not.toContain("secret");
    expect(lines).toContainEqual({ message: "A feed failed.", fields: expect.objectContaining({ id }) });
    expect(await reading.next()).toEqual({ done: true, value: undefined });
  });

  it("ends at a frame that its contract does not describe, with a log", async () => {
    const reading = client.feed.ticker.odd({ how: "garbage" });
    await reading.next();
    await expect(reading.next()).rejects.toBeInstanceOf(UnexpectedError);
    expect(lines).toContainEqual({
      message: "A feed yielded something its contract does not describe.",
      fields: expect.objectContaining({ issues: [expect.objectContaining({ path: "/n" })] }),
    });
  });

  it("passes a refusal of the handler on", async () => {
    const error: unknown = await client.feed.ticker
      .odd({ how: "refuses" })
      .next()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({ reason: "insufficient_permissions", message: "Not you." });
  });

  it("ends with the client", async () => {
    const other = await platform.connectClient(listener);
    const reading = other.feed.ticker.count({ everyMs: 5, label: "closed" });
    await reading.next();
    const rest = (async () => {
      for await (const _ of reading) continue;
    })().catch((thrown: unknown) => thrown);
    await other.close();
    expect(await rest).toMatchObject({ code: "closed" });
    await eventually("the handler hears of it", () => counted.aborted.get("closed"), 2_000);
  });

  it("nobody serves is said at once", async () => {
    await using lonely = await startPlatform();
    const { service } = await startTicker(lonely);
    const reader = await lonely.connectClient(listener);
    await service.stop();
    const error: unknown = await reader.feed.ticker
      .count({ everyMs: 5 })
      .next()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TransportError);
    expect(error).toMatchObject({ code: "no_responders", retryable: true });
  });
});
