import { createNodeSessionKey, nodeCrypto } from "@trellis/auth/node";
import type { SessionKey } from "@trellis/auth";
import { createClient } from "@trellis/client";
import { connectSession } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import { AuthError } from "@trellis/protocol";
import { ok } from "@trellis/result";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "./kit/eventually.ts";
import { QUIET } from "./kit/quiet.ts";
import { connectUnchecked } from "./kit/raw-caller.ts";
import { boss, chores, household, work } from "./kit/work-contract.ts";

const WORK = "rpc.v1.Work.Do";
const CHORES = "rpc.v1.Chores.Do";

/** What "at once" may take on a busy machine: much less than the 30 s after which services ask about a caller again. */
const AT_ONCE_MS = 10_000;

describe("who is cut off", () => {
  let platform: TestPlatform;
  let workKey: SessionKey;
  beforeAll(async () => {
    platform = await startPlatform();
    workKey = createNodeSessionKey();
    const worker = await platform.connectService(work, { key: workKey });
    worker.handle.rpc.work.do(({ input }) => ok({ n: input.n, pid: process.pid }));
    await worker.start();
    const other = await platform.connectService(chores);
    other.handle.rpc.chores.do(({ input }) => ok({ n: input.n, pid: process.pid }));
    await other.start();
  });
  afterAll(() => platform.stop());

  /** A user of its own, so that deactivating it hurts nobody else, and one session of that user. */
  async function user(name: string) {
    const userKey = createNodeSessionKey();
    await platform.admin.rpc.auth.usersCreate({ name, groups: ["admin"] }).orThrow();
    await platform.admin.rpc.auth.usersAddKey({ user: name, key: userKey.publicKey }).orThrow();
    const key = createNodeSessionKey();
    const connect = async () => {
      const session = await connectSession({
        url: platform.url,
        key,
        enrol: userKey,
        contract: household,
        kind: "agent",
        crypto: nodeCrypto,
        connect: nodeConnect,
        transport: "tcp",
      });
      return createClient({ contract: household, transport: session, onClose: () => session.close() });
    };
    return { key, connect };
  }

  it("a revoked session: every service refuses it at once, and so does the way in", async () => {
    const { key, connect } = await user("revoked");
    const client = await connect();
    await client.rpc.work.do({ n: 1 }).orThrow();
    await client.rpc.chores.do({ n: 1 }).orThrow();
    // Both services know the session now and would go on without asking anybody.
    await using hostile = await connectUnchecked(platform, key);
    expect(await hostile.ask(WORK, { n: 2 })).toEqual({ answered: true });
    expect(await hostile.ask(CHORES, { n: 2 })).toEqual({ answered: true });

    await platform.admin.rpc.auth.sessionsRevoke({ sessionKey: key.publicKey }).orThrow();
    const revokedAt = performance.now();
    for (const subject of [WORK, CHORES]) {
      const refusal = await eventually("it is refused", async () => {
        const answer = await hostile.ask(subject, { n: 3 });
        return answer.answered ? false : answer.error;
      });
      expect(performance.now() - revokedAt).toBeLessThan(AT_ONCE_MS);
      expect(refusal).toBeInstanceOf(AuthError);
      expect(refusal).toMatchObject({ reason: "session_not_found" });
    }
    // For good: nothing late revives it.
    for (let n = 0; n < 20; n += 1) {
      expect((await hostile.ask(n % 2 === 0 ? WORK : CHORES, { n })).answered).toBe(false);
    }
    // Its own connection is gone too, and the runtime has given up.
    await eventually("the client is closed", () => client.connection.state === "closed", AT_ONCE_MS);
    expect(await client.rpc.work.do({ n: 4 })).toMatchObject({ ok: false, error: { reason: "session_not_found" } });
    await expect(connect()).rejects.toThrow(/revoked/);
  });

  it("a disabled instance: cut at once, and back by itself when it is enabled", async () => {
    const client = await platform.connectClient(boss, QUIET);
    await client.rpc.work.do({ n: 1 }).orThrow();
    await platform.admin.rpc.auth.instancesUpdate({ sessionKey: workKey.publicKey, enabled: false }).orThrow();
    await eventually(
      "nobody serves",
      async () => {
        const result = await client.rpc.work.do({ n: 2 }, { timeoutMs: 500 });
        return !result.ok && "code" in result.error && result.error.code === "no_responders";
      },
      AT_ONCE_MS,
    );
    // Servers tell of closed connections a moment after they closed them.
    await eventually("it is shown so", async () => {
      const [instance] = (await platform.admin.rpc.auth.instancesList({ deployment: "work" }).orThrow()).instances;
      return instance !== undefined && !instance.enabled && !instance.live;
    });
    await platform.admin.rpc.auth.instancesUpdate({ sessionKey: workKey.publicKey, enabled: true }).orThrow();
    await eventually("it serves again", async () => (await client.rpc.work.do({ n: 3 }, { timeoutMs: 500 })).ok);
  });

  it("a disabled deployment: the same", async () => {
    const client = await platform.connectClient(boss, QUIET);
    await client.rpc.work.do({ n: 1 }).orThrow();
    await platform.admin.rpc.auth.deploymentsUpdate({ deployment: "work", enabled: false }).orThrow();
    await eventually(
      "nobody serves",
      async () => !(await client.rpc.work.do({ n: 2 }, { timeoutMs: 500 })).ok,
      AT_ONCE_MS,
    );
    await platform.admin.rpc.auth.deploymentsUpdate({ deployment: "work", enabled: true }).orThrow();
    await eventually("it serves again", async () => (await client.rpc.work.do({ n: 3 }, { timeoutMs: 500 })).ok);
  });

  it("a kicked connection: away, and back at once", async () => {
    const { key, connect } = await user("kicked");
    const client = await connect();
    await client.rpc.work.do({ n: 1 }).orThrow();
    const states: string[] = [];
    client.connection.onChange((state) => states.push(state));
    const connections = async () =>
      (await platform.admin.rpc.auth.connectionsList({ sessionKey: key.publicKey }).orThrow()).connections;
    const [before] = await eventually("it is listed", async () => {
      const listed = await connections();
      return listed.length === 1 && listed;
    });
    expect(await platform.admin.rpc.auth.connectionsKick({ sessionKey: key.publicKey }).orThrow()).toEqual({
      kicked: 1,
    });
    await eventually("it is back", () => states.includes("reconnecting") && client.connection.state === "connected");
    await client.rpc.work.do({ n: 2 }).orThrow();
    await eventually("it is another connection", async () => {
      const listed = await connections();
      return listed.length === 1 && listed[0]?.id !== before?.id;
    });
    await client.close();
  });

  it("a deactivated user: cut at once; refused until active again", async () => {
    const { key, connect } = await user("deactivated");
    const client = await connect();
    await client.rpc.work.do({ n: 1 }).orThrow();
    await using hostile = await connectUnchecked(platform, key);
    expect(await hostile.ask(WORK, { n: 2 })).toEqual({ answered: true });
    await platform.admin.rpc.auth.usersUpdate({ user: "deactivated", active: false }).orThrow();
    const cutAt = performance.now();
    const refusal = await eventually("it is refused", async () => {
      const answer = await hostile.ask(WORK, { n: 3 });
      return answer.answered ? false : answer.error;
    });
    expect(performance.now() - cutAt).toBeLessThan(AT_ONCE_MS);
    expect(refusal).toMatchObject({ reason: "user_inactive" });
    await eventually("the client is closed", () => client.connection.state === "closed", 5_000);
    await expect(connect()).rejects.toThrow();
    await platform.admin.rpc.auth.usersUpdate({ user: "deactivated", active: true }).orThrow();
    const again = await connect();
    expect((await again.rpc.work.do({ n: 4 })).ok).toBe(true);
    await again.close();
  });
});
