import type { AuthChange } from "@trellis/protocol";
import { describe, expect, test, vi } from "vitest";
import { AuthorityChanges } from "./authority-changes.ts";
import type { ValidateAnswer, ValidateRequest } from "./authority.ts";
import { SERVICE_LIMITS } from "./limits.ts";
import { SessionDirectory } from "./session-directory.ts";
import { SignedRequest } from "./signed-request.ts";

const KEY = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg";

function request(sessionKey = KEY, counter = 1): SignedRequest {
  const nonce = "n".repeat(22);
  const headers = {
    sessionKey,
    proof: "p",
    iat: 1,
    requestId: `${nonce}.${counter}`,
    id: { nonce, counter },
    deadlineMs: 5_000,
  };
  return new SignedRequest(headers, "rpc.v1.Test.Echo", new Uint8Array());
}

const allowed = (over: Partial<ValidateAnswer> = {}): ValidateAnswer => ({
  allowed: true,
  inboxPrefix: `_INBOX.${KEY.slice(0, 16)}`,
  caller: { type: "user", id: "ada", name: "Ada", sessionKey: KEY, contractId: "c@v1" },
  capabilities: ["test::read"],
  revision: 10,
  leaseMs: 30_000,
  ...over,
});

function directory(
  validate: (request: ValidateRequest) => Promise<ValidateAnswer>,
  limits = {},
  followsChanges = true,
) {
  const changes = new AuthorityChanges();
  const sessions = new SessionDirectory({
    authority: { validate },
    changes,
    limits: { ...SERVICE_LIMITS, ...limits },
    followsChanges,
  });
  const hear = (over: Partial<AuthChange>): void => {
    const notice: AuthChange = { kind: "change", origin: "a", previous: 10, revision: 11, epoch: "e", ...over };
    const outcome = changes.apply(notice, performance.now());
    sessions.drop(notice);
    if (outcome === "gap") sessions.doubtOlder();
  };
  return { sessions, hear };
}

describe("SessionDirectory", () => {
  test("asks once for many requests of one session, and again never while the lease holds", async () => {
    const { sessions, hear } = directory(async () => allowed());
    hear({ kind: "beat", revision: 10 });
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => sessions.lookup(request())));
    expect(new Set(verdicts.map((verdict) => verdict.kind))).toEqual(new Set(["known"]));
    for (let turn = 0; turn < 1_000; turn += 1) expect(sessions.lookup(request())).toMatchObject({ kind: "known" });
    expect(sessions.asked).toBe(1);
  });

  test("a refusal about one request does not refuse the others that waited for it", async () => {
    let asked = 0;
    const { sessions } = directory(async () =>
      ++asked === 1 ? { allowed: false, reason: "replayed", revision: 10, leaseMs: 0 } : allowed(),
    );
    const [first, second, third] = await Promise.all([
      sessions.lookup(request()),
      sessions.lookup(request()),
      sessions.lookup(request()),
    ]);
    expect(first).toEqual({ kind: "refused", reason: "replayed" });
    expect(second).toMatchObject({ kind: "known" });
    expect(third).toMatchObject({ kind: "known" });
  });

  test("a revoked session is asked about again and refused", async () => {
    let alive = true;
    const { sessions, hear } = directory(async () =>
      alive ? allowed() : { allowed: false, reason: "session_not_found", revision: 11, leaseMs: 0 },
    );
    hear({ kind: "beat", revision: 10 });
    await sessions.lookup(request());
    alive = false;
    hear({ sessions: [KEY] });
    expect(await sessions.lookup(request())).toEqual({ kind: "refused", reason: "session_not_found" });
  });

  test("a late answer cannot revive a revoked session", async () => {
    const answers: ((answer: ValidateAnswer) => void)[] = [];
    const { sessions, hear } = directory(() => new Promise((resolve) => answers.push(resolve)));
    hear({ kind: "beat", revision: 10 });
    const verdict = Promise.resolve(sessions.lookup(request()));
    hear({ sessions: [KEY] });
    answers[0]?.(allowed({ revision: 10 }));
    await vi.waitFor(() => expect(answers.length).toBe(2));
    answers[1]?.(allowed({ revision: 10 }));
    expect(await verdict).toEqual({ kind: "unavailable" });
    expect(sessions.size).toBe(0);
  });

  test("after a gap what is older is asked about again before its next use", async () => {
    let revision = 10;
    const { sessions, hear } = directory(async () => allowed({ revision }));
    hear({ kind: "beat", revision: 10 });
    await sessions.lookup(request());
    revision = 20;
    hear({ kind: "beat", revision: 15 });
    expect(sessions.lookup(request())).toBeInstanceOf(Promise);
    await vi.waitFor(() => expect(sessions.lookup(request())).toMatchObject({ kind: "known" }));
    expect(sessions.asked).toBe(2);
  });

  test("silence makes it ask again, and lets answers count for as long as a silence may last", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const { sessions, hear } = directory(async () => allowed());
      hear({ kind: "beat", revision: 10 });
      await sessions.lookup(request());
      vi.advanceTimersByTime(5_900);
      expect(sessions.lookup(request())).toMatchObject({ kind: "known" });
      vi.advanceTimersByTime(200);
      await sessions.lookup(request());
      expect(sessions.asked).toBe(2);
      expect(sessions.lookup(request())).toMatchObject({ kind: "known" });
    } finally {
      vi.useRealTimers();
    }
  });

  test("a busy session is refreshed before its lease ends and never waits", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const { sessions } = directory(async () => allowed(), {}, false);
      await sessions.lookup(request());
      vi.advanceTimersByTime(25_000);
      expect(sessions.lookup(request())).toMatchObject({ kind: "known" });
      await vi.waitFor(() => expect(sessions.asked).toBe(2));
      vi.advanceTimersByTime(10_000);
      expect(sessions.lookup(request())).toMatchObject({ kind: "known" });
    } finally {
      vi.useRealTimers();
    }
  });

  test("without the control plane known sessions go on for the hard lease, then are told to come back; strangers at once", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      let up = true;
      const { sessions } = directory(async () => {
        if (!up) throw new Error("nobody there");
        return allowed();
      });
      await sessions.lookup(request());
      up = false;
      vi.advanceTimersByTime(60_000);
      expect(await sessions.lookup(request())).toMatchObject({ kind: "known" });
      // From now on nobody waits for an answer that does not come.
      expect(sessions.lookup(request())).toMatchObject({ kind: "known" });
      vi.advanceTimersByTime(2_000);
      expect(sessions.lookup(request())).toMatchObject({ kind: "known" });
      const stranger = "B" + KEY.slice(1);
      expect(await sessions.lookup(request(stranger))).toEqual({ kind: "unavailable" });
      vi.advanceTimersByTime(300_000);
      expect(await sessions.lookup(request())).toEqual({ kind: "unavailable" });
      up = true;
      expect(await sessions.lookup(request())).toMatchObject({ kind: "known" });
    } finally {
      vi.useRealTimers();
    }
  });

  test("a session a change has named does not live on the hard lease", async () => {
    let up = true;
    const { sessions, hear } = directory(async () => {
      if (!up) throw new Error("nobody there");
      return allowed();
    });
    hear({ kind: "beat", revision: 10 });
    await sessions.lookup(request());
    up = false;
    hear({ sessions: [KEY] });
    expect(await sessions.lookup(request())).toEqual({ kind: "unavailable" });
  });

  test("keeps at most so many sessions, the recently used ones", async () => {
    const { sessions } = directory(
      async ({ sessionKey }) =>
        allowed({ caller: { type: "user", id: "u", name: "U", sessionKey, contractId: "c@v1" } }),
      { maxSessions: 3 },
      false,
    );
    const keys = ["A", "B", "C", "D"].map((letter) => letter + KEY.slice(1));
    for (const key of keys.slice(0, 3)) await sessions.lookup(request(key));
    await sessions.lookup(request(keys[0]));
    await sessions.lookup(request(keys[3]));
    expect(sessions.size).toBe(3);
    expect(sessions.lookup(request(keys[0]))).toMatchObject({ kind: "known" });
    expect(sessions.lookup(request(keys[1]))).toBeInstanceOf(Promise);
  });

  test("answers without a lease are asked for every time and never kept", async () => {
    const { sessions } = directory(async () => allowed({ leaseMs: 0 }), {}, false);
    for (let turn = 0; turn < 3; turn += 1) await sessions.lookup(request());
    expect(sessions.asked).toBe(3);
    expect(sessions.size).toBe(0);
  });

  test("forgetting makes open questions be asked again", async () => {
    const answers: ((answer: ValidateAnswer) => void)[] = [];
    const { sessions } = directory(() => new Promise((resolve) => answers.push(resolve)), {}, false);
    const verdict = Promise.resolve(sessions.lookup(request()));
    sessions.forgetAll();
    answers[0]?.(allowed());
    await vi.waitFor(() => expect(answers.length).toBe(2));
    answers[1]?.({ allowed: false, reason: "session_not_found", revision: 10, leaseMs: 0 });
    expect(await verdict).toEqual({ kind: "refused", reason: "session_not_found" });
  });
});
