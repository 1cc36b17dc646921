import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS, replayError, ReplayWindow } from "./index.ts";

const nonce = "N".repeat(22);
const start = 1_000_000;
const at = (seconds: number): number => (start + seconds) * 1_000;
const candidate = (counter: number, iat = 10, sessionKey = "s", n = nonce) => ({
  sessionKey,
  id: { nonce: n, counter },
  iat: start + iat,
});
const fresh = (limits = {}) => new ReplayWindow({ startedAtMs: at(0), limits });

test("each request is accepted once, in any order", () => {
  const replay = fresh();
  const counters = Array.from({ length: 5_000 }, (_, index) => (index * 1_237) % 5_000);
  for (const counter of counters) expect(replay.accept(candidate(counter), at(10))).toBe("accepted");
  for (const counter of counters) expect(replay.accept(candidate(counter), at(11))).toBe("replayed");
  expect(replay.accept(candidate(1, 10, "another"), at(10))).toBe("accepted");
  expect(replay.accept(candidate(1, 10, "s", "M".repeat(22)), at(10))).toBe("accepted");
  expect(replay.accept(candidate(Number.MAX_SAFE_INTEGER), at(10))).toBe("accepted");
  expect(replay.accept(candidate(Number.MAX_SAFE_INTEGER), at(10))).toBe("replayed");
});

test("an id stays used under another time of signing", () => {
  const replay = fresh();
  expect(replay.accept(candidate(1, 10), at(10))).toBe("accepted");
  expect(replay.accept(candidate(1, 35), at(35))).toBe("replayed");
});

test("freshness is 30 seconds either way", () => {
  const replay = fresh();
  expect(replay.accept(candidate(1, 100), at(130.9))).toBe("accepted");
  expect(replay.accept(candidate(2, 100), at(131))).toBe("iat_out_of_range");
  expect(replay.accept(candidate(3, 160), at(130))).toBe("accepted");
  expect(replay.accept(candidate(4, 161), at(130))).toBe("iat_out_of_range");
});

test("nothing signed before the second in which the process started is accepted", () => {
  const replay = new ReplayWindow({ startedAtMs: at(10.4) });
  expect(replay.accept(candidate(1, 9), at(11))).toBe("too_early");
  expect(replay.accept(candidate(2, 10), at(11))).toBe("accepted");
  expect(replay.accept(candidate(3, 11), at(11))).toBe("accepted");
  expect(new ReplayWindow({ startedAtMs: at(10) }).accept(candidate(4, 10), at(10))).toBe("accepted");
});

test("a request from the future is remembered until it is no longer fresh", () => {
  const replay = fresh();
  expect(replay.accept(candidate(1, 40), at(10))).toBe("accepted");
  for (let second = 11; second <= 70; second += 1) {
    expect(replay.accept(candidate(1, 40), at(second))).toBe("replayed");
    expect(replay.accept(candidate(second, second, "other"), at(second))).toBe("accepted");
  }
  expect(replay.accept(candidate(1, 40), at(71))).toBe("iat_out_of_range");
});

test("a clock that jumps ahead and back opens nothing", () => {
  const replay = fresh();
  for (let session = 0; session < 50; session += 1) replay.accept(candidate(1, 10, `s${session}`), at(10));
  for (let round = 0; round < 50; round += 1) replay.accept(candidate(round, 3_600, "later"), at(3_600));
  for (let session = 0; session < 50; session += 1) {
    expect(["too_early", "replayed"]).toContain(replay.accept(candidate(1, 10, `s${session}`), at(12)));
  }
});

test("what is no longer fresh is dropped", () => {
  const replay = fresh();
  for (let session = 0; session < 1_000; session += 1) replay.accept(candidate(1, 10, `s${session}`), at(10));
  expect(replay.size).toEqual({ sessions: 1_000, blocks: 1_000 });
  for (let round = 0; round < 200; round += 1) replay.accept(candidate(round, 60, "later"), at(60));
  expect(replay.size).toEqual({ sessions: 1, blocks: 1 });
});

describe("limits", () => {
  test("one session cannot fill what all share", () => {
    const replay = fresh({ blocksPerSession: 4 });
    for (let block = 0; block < 4; block += 1) expect(replay.accept(candidate(block * 512), at(10))).toBe("accepted");
    expect(replay.accept(candidate(4 * 512), at(10))).toBe("session_full");
    expect(replay.accept(candidate(511), at(10))).toBe("accepted");
    expect(replay.accept(candidate(0, 10, "other"), at(10))).toBe("accepted");
    expect(replay.accept(candidate(4 * 512, 50), at(50))).toBe("accepted");
  });

  test("sessions and blocks are bounded, and what is known goes on", () => {
    const sessions = fresh({ sessions: 2 });
    expect(sessions.accept(candidate(1, 10, "a"), at(10))).toBe("accepted");
    expect(sessions.accept(candidate(1, 10, "b"), at(10))).toBe("accepted");
    expect(sessions.accept(candidate(1, 10, "c"), at(10))).toBe("sessions_full");
    expect(sessions.accept(candidate(2, 10, "a"), at(10))).toBe("accepted");
    const blocks = fresh({ blocks: 1 });
    expect(blocks.accept(candidate(1), at(10))).toBe("accepted");
    expect(blocks.accept(candidate(600), at(10))).toBe("blocks_full");
  });

  test("each refusal says whether asking again helps", () => {
    expect(replayError("replayed")).toMatchObject({ type: "AuthError", reason: "replayed" });
    expect(replayError("iat_out_of_range")).toMatchObject({ type: "AuthError", reason: "iat_out_of_range" });
    expect(replayError("too_early")).toMatchObject({ code: "retry_later", retryable: true });
    for (const verdict of ["sessions_full", "blocks_full", "session_full"] as const) {
      expect(replayError(verdict)).toMatchObject({ code: "overloaded", retryable: true });
    }
  });
});

test("agrees with a set that forgets nothing, for any traffic", () => {
  const event = fc.record({
    wait: fc.integer({ min: 0, max: 4_000 }),
    session: fc.constantFrom("a", "b", "c"),
    nonce: fc.constantFrom(nonce, "M".repeat(22)),
    counter: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 500, max: 530 }), fc.maxSafeNat()),
    skew: fc.integer({ min: -32, max: 32 }),
    again: fc.option(fc.nat({ max: 200 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), fc.integer({ min: 0, max: 999 }), (events, startMs) => {
      const startedAtMs = at(0) + startMs;
      const replay = new ReplayWindow({ startedAtMs });
      const naive = new Set<string>();
      const sent: ReturnType<typeof candidate>[] = [];
      let nowMs = startedAtMs;
      for (const { wait, session, nonce: n, counter, skew, again } of events) {
        nowMs += wait;
        const now = Math.floor(nowMs / 1_000);
        const repeated = again === undefined ? undefined : sent[again % Math.max(1, sent.length)];
        const one = repeated ?? { sessionKey: session, id: { nonce: n, counter }, iat: now + skew };
        sent.push(one);
        const key = `${one.sessionKey} ${one.id.nonce}.${one.id.counter}`;
        const verdict = replay.accept(one, nowMs);
        const isFresh = Math.abs(now - one.iat) <= LIMITS.freshnessSeconds;
        const isAfterStart = one.iat >= Math.floor(startedAtMs / 1_000);
        if (!isFresh) expect(verdict).toBe("iat_out_of_range");
        else if (!isAfterStart) expect(verdict).toBe("too_early");
        else if (!naive.has(key)) expect(verdict).toBe("accepted");
        else if (repeated !== undefined) expect(verdict).toBe("replayed");
        if (verdict === "accepted") naive.add(key);
      }
    }),
    { numRuns: 500 },
  );
});

test("300 000 remembered requests take a few megabytes", () => {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect !== "function") throw new Error("this runtime cannot be told to collect");
  collect();
  const before = process.memoryUsage().heapUsed;
  const replay = fresh();
  for (let counter = 0; counter < 300_000; counter += 1) {
    replay.accept(candidate(counter, 10 + Math.floor(counter / 33_000)), at(10 + Math.floor(counter / 33_000)));
  }
  expect(replay.size.blocks).toBe(Math.ceil(300_000 / 512));
  collect();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(2_000_000);
  expect(replay.size.sessions).toBe(1);
});
