import { createHash } from "node:crypto";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { contractDigest } from "@trellis/contracts";
import { proofDigest, ReplayWindow, requestIds, TransportError } from "@trellis/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { relayAudit } from "../src/audit/audit-relay.ts";
import { recordAudit } from "../src/audit/audit.ts";
import { openAuditLog } from "../src/audit/audit-stream.ts";
import type { AgentSession } from "../src/identity/agent-sessions.ts";
import { Leases, runSingleton } from "../src/leases/leases.ts";
import { SILENT_LOG } from "../src/log.ts";
import { SecurityChanges } from "../src/notices/security-changes.ts";
import type { SecurityChange } from "../src/notices/security-changes.ts";
import { revokeSession } from "../src/sessions/revoke.ts";
import { openSessionStore } from "../src/sessions/session-store.ts";
import type { SessionStore } from "../src/sessions/session-store.ts";
import { createVerifier } from "../src/sessions/signatures.ts";
import { openRequestClaims } from "../src/sessions/claims.ts";
import { createRequestValidator } from "../src/sessions/validate.ts";
import type { ValidateInput } from "../src/sessions/validate.ts";
import { ANN, manifestOf, newKey, startControl } from "./control-kit.ts";
import type { TestControl, TestKey } from "./control-kit.ts";
import { deploy } from "./live-control.ts";
import { startPlainNatsServer, until } from "./plain-nats-server.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";
import { present } from "./present.ts";

let server: PlainNatsServer;
let nc: NatsConnection;

beforeAll(async () => {
  server = await startPlainNatsServer();
  nc = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50, noAsyncTraces: true });
});
afterAll(async () => {
  await nc.close();
  await server.remove();
});

const agentSession = (userId: string, key = newKey().text): AgentSession => ({
  sessionKey: key,
  userId,
  userKey: newKey().text,
  contractDigest: contractDigest(manifestOf("tool@v1", { kind: "agent" })),
  createdAt: Date.now(),
  lastSeenAt: Date.now(),
});

describe("sessions", () => {
  const open = (idleMs: number, now = Date.now): Promise<SessionStore> =>
    openSessionStore({ nc, replicas: 1, idleMs, log: SILENT_LOG, cacheMs: 200, now });

  test("are found by every replica as soon as one has stored them, and gone when removed", async () => {
    const [one, two] = [await open(60_000), await open(60_000)];
    for (let round = 0; round < 50; round += 1) {
      const session = agentSession("U/1");
      expect(await two.get(session.sessionKey)).toBeUndefined();
      await one.put(session);
      expect(await two.get(session.sessionKey)).toEqual(session);
    }
    const session = agentSession("U/1");
    await one.put(session);
    await one.remove(session.sessionKey);
    expect(await one.get(session.sessionKey)).toBeUndefined();
    expect(await two.getFresh(session.sessionKey)).toBeUndefined();
    await one.remove(session.sessionKey);
  });

  test("end when unused, and live on while used", async () => {
    // Two seconds to live; the clock for `lastSeenAt` says long ago, so each use extends.
    const store = await open(2_000, () => Date.now() + 600_000);
    const [idle, used] = [agentSession("U2"), agentSession("U2")];
    await store.put(idle);
    await store.put(used);
    const end = performance.now() + 4_000;
    await until(async () => {
      const session = await store.getFresh(used.sessionKey);
      expect(session).toBeDefined();
      store.touch({ ...used, lastSeenAt: 0 });
      await new Promise((resolve) => setTimeout(resolve, 200));
      return performance.now() > end;
    }, "four seconds of use");
    expect(await store.getFresh(idle.sessionKey)).toBeUndefined();
    // Using a session that was removed does not bring it back.
    await store.remove(used.sessionKey);
    store.touch({ ...used, lastSeenAt: 0 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await store.getFresh(used.sessionKey)).toBeUndefined();
  });

  test("are listed by user, page by page", async () => {
    const store = await open(60_000);
    const mine = await Promise.all(
      Array.from({ length: 7 }, async (_, at) => {
        await store.put(agentSession(`other${at}`));
        const session = agentSession("lister");
        await store.put(session);
        return session.sessionKey;
      }),
    );
    const found: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await store.list({ userId: "lister", limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.sessions.map(({ sessionKey }) => sessionKey));
      cursor = page.nextCursor;
      pages += 1;
    } while (cursor !== undefined);
    expect(pages).toBe(3);
    expect(found.sort()).toEqual(mine.sort());
  });
});

describe("leases", () => {
  test("have one owner, who keeps it by renewing and can give it back", async () => {
    const leases = await Leases.open({ nc, replicas: 1, owner: "a" });
    const lease = await leases.take("one", 2_000);
    expect(lease).toBeDefined();
    expect(await leases.take("one", 2_000)).toBeUndefined();
    for (let round = 0; round < 4; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 800));
      expect(await lease?.renew()).toBe(true);
    }
    expect(await leases.take("one", 2_000)).toBeUndefined();
    await lease?.release();
    await until(async () => (await leases.take("one", 2_000)) !== undefined, "it is free again", 4_000);
  });

  test("go to another when their owner dies, and a failing loop is started again", async () => {
    const leases = await Leases.open({ nc, replicas: 1, owner: "b" });
    // An owner that never renews: a replica that was killed.
    await leases.take("loop", 2_000);
    const running = new Set<string>();
    let most = 0;
    let runs = 0;
    const loop = (name: string): ReturnType<typeof runSingleton> =>
      runSingleton({
        leases,
        name: "loop",
        ttlMs: 2_000,
        log: SILENT_LOG,
        run: async (signal) => {
          runs += 1;
          running.add(name);
          most = Math.max(most, running.size);
          if (runs === 1) {
            running.delete(name);
            throw new Error("a bad start");
          }
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
          running.delete(name);
        },
      });
    const loops = [loop("x"), loop("y")];
    await until(() => running.size === 1 && runs >= 2, "one runs");
    const first = present(loops[running.has("x") ? 0 : 1]);
    const second = present(loops[running.has("x") ? 1 : 0]);
    await first.close();
    await until(() => running.size === 1, "the other took over");
    expect(second.held()).toBe(true);
    await second.close();
    expect(most).toBe(1);
    expect(running.size).toBe(0);
  }, 20_000);
});

describe("with a registry", () => {
  let control: TestControl;

  beforeEach(async () => {
    control = await startControl(server);
  });
  afterEach(() => control.close());

  test("audit records reach the log once, newest first, also those of a replica that died before it told", async () => {
    const audit = await openAuditLog({ nc, replicas: 1, maxAgeMs: 86_400_000 });
    const leases = await Leases.open({ nc, replicas: 1, owner: "c" });
    const { registry, context } = control;
    const { outbox } = context.tables;
    const record = (at: number): Promise<unknown> =>
      registry.transact((tx) =>
        recordAudit(tx, outbox, {
          now: Date.now(),
          actor: ANN,
          action: at % 2 ? "plan.accept" : "deployment.create",
          target: `t${at % 3}`,
          detail: { at },
        }),
      );
    for (let at = 0; at < 30; at += 1) await record(at);
    // Appended but not yet removed when its replica died.
    const [half] = [...outbox.all()];
    await audit.append(present(half).value);

    const relays = [
      relayAudit({ registry, audit, leases, log: SILENT_LOG }),
      relayAudit({ registry, audit, leases, log: SILENT_LOG }),
    ];
    await until(() => outbox.size === 0, "the outbox is empty");
    for (let at = 30; at < 33; at += 1) await record(at);
    await until(() => outbox.size === 0, "what comes later is moved too");
    for (const relay of relays) await relay.close();

    const all = await audit.list({ limit: 100 });
    expect(all.records.map(({ detail }) => (detail as { at: number }).at)).toHaveLength(33);
    expect(all.records[0]?.detail).toEqual({ at: 32 });
    const first = await audit.list({ limit: 4, action: "plan", target: "t1" });
    const second = await audit.list({
      limit: 4,
      action: "plan",
      target: "t1",
      ...(first.nextCursor === undefined ? {} : { cursor: first.nextCursor }),
    });
    const seen = [...first.records, ...second.records].map(({ detail }) => (detail as { at: number }).at);
    expect(seen).toEqual([31, 25, 19, 13, 7, 1]);
    expect((await audit.list({ limit: 5, actor: "nobody" })).records).toEqual([]);
  }, 30_000);

  test("security changes make one chain on every replica, and name whom they concern", async () => {
    const other = await startControl(server);
    const chains: SecurityChange[][] = [[], []];
    const watching = [control, other].map(({ registry }, at) => {
      const changes = new SecurityChanges(registry);
      changes.onChange((change) => present(chains[at]).push(change));
      return changes;
    });
    const { registry, context } = control;
    const { tables } = context;
    const before = present(watching[0]).revision;
    expect(present(watching[1]).revision).toBe(before);
    const key = newKey();
    await deploy(control, "chained", manifestOf("chained@v1"), [key]);
    await registry.transact((tx) =>
      tx.put(tables.instances, key.text, { ...present(tx.get(tables.instances, key.text)), enabled: false }),
    );
    await registry.transact((tx) =>
      tx.put(tables.contracts, "noise", {
        digest: "noise",
        contractId: "x@v1",
        manifest: manifestOf("x@v1"),
        firstSeenAt: 0,
        presentedAt: 0,
        kept: true,
        presentedBy: ANN,
      }),
    );
    await registry.transact((tx) =>
      tx.put(tables.authorities, "chained", { ...present(tx.get(tables.authorities, "chained")), version: 2 }),
    );
    await other.registry.reached(registry.revision);
    expect(chains[1]).toEqual(chains[0]);
    expect(chains[0]).toHaveLength(3);
    expect(present(chains[0]).map(({ previous }) => previous)).toEqual([
      before,
      ...present(chains[0])
        .slice(0, -1)
        .map(({ revision }) => revision),
    ]);
    expect(present(chains[0]).map(({ affected }) => affected)).toEqual([
      "everybody",
      { sessions: [key.text], principals: [], deployments: [] },
      { sessions: [], principals: [], deployments: ["chained"] },
    ]);
    const late = new SecurityChanges(other.registry);
    expect(late.revision).toBe(present(watching[0]).revision);
    for (const one of [...watching, late]) one.close();
    await other.close();
  });

  describe("a request is judged", () => {
    const ids = requestIds();
    let sessions: SessionStore;
    let validate: ReturnType<typeof createRequestValidator>;
    let stale = 0;

    beforeEach(async () => {
      stale = 0;
      sessions = await openSessionStore({ nc, replicas: 1, idleMs: 60_000, log: SILENT_LOG });
      validate = createRequestValidator({
        context: control.context,
        sessions,
        replay: new ReplayWindow({ startedAtMs: Date.now() - 60_000 }),
        claims: await openRequestClaims(nc, 1),
        verify: createVerifier(),
        digestOf: () => undefined,
        leaseMs: 30_000,
        staleMs: () => stale,
      });
    });

    const request = (key: TestKey, change: Partial<ValidateInput> = {}): ValidateInput => {
      const base = {
        sessionKey: key.text,
        subject: "rpc.v1.Orders.Get",
        iat: Math.floor(Date.now() / 1000),
        requestId: ids.next(),
      };
      const hash = createHash("sha256").update("{}").digest();
      return {
        ...base,
        payloadHash: hash.toString("base64url"),
        proof: key.sign(proofDigest({ ...base, ...change, payload: { hash } })),
        ...change,
      };
    };

    test("once: of two control planes that are asked, one allows it", async () => {
      const key = newKey();
      await deploy(control, "once", manifestOf("once@v1"), [key]);
      const elsewhere = createRequestValidator({
        context: control.context,
        sessions,
        replay: new ReplayWindow({ startedAtMs: Date.now() - 60_000 }),
        claims: await openRequestClaims(nc, 1),
        verify: createVerifier(),
        digestOf: () => undefined,
        leaseMs: 30_000,
        staleMs: () => 0,
      });
      const asked = { ...request(key), once: true };
      const answers = await Promise.all([validate(asked, "one"), elsewhere(asked, "other")]);
      expect(answers.filter(({ allowed }) => allowed)).toHaveLength(1);
      expect(answers.find(({ allowed }) => !allowed)?.reason).toBe("replayed");
      // Each has heard of it from somebody else first: the claim decides.
      const crossed = request(key);
      await Promise.all([validate(crossed, "one"), elsewhere(crossed, "other")]);
      const claims = await Promise.all([
        elsewhere({ ...crossed, once: true }, "one"),
        validate({ ...crossed, once: true }, "other"),
      ]);
      expect(claims.filter(({ allowed }) => allowed)).toHaveLength(1);
      // Refused for another reason, a request is not used up.
      const capable = { ...request(key), once: true };
      expect((await validate({ ...capable, capabilities: ["admin"] }, "one")).reason).toBe("insufficient_permissions");
      expect((await elsewhere(capable, "other")).allowed).toBe(true);
    });

    test("whole: facts for the good one, a reason for every other", async () => {
      const key = newKey();
      await deploy(control, "judged", manifestOf("judged@v1"), [key]);
      const good = await validate(request(key));
      expect(good).toMatchObject({
        allowed: true,
        inboxPrefix: `_INBOX.${key.text.slice(0, 16)}`,
        caller: {
          type: "service",
          id: "judged",
          name: "judged",
          sessionKey: key.text,
          contractId: "judged@v1",
          deployment: "judged",
        },
        revision: control.registry.revision,
        leaseMs: 30_000,
      });
      expect(good.capabilities).toContain("service");

      const reasonOf = async (input: ValidateInput): Promise<unknown> => (await validate(input)).reason;
      expect(await reasonOf(request(newKey()))).toBe("session_not_found");
      expect(await reasonOf({ ...request(key), subject: "rpc.v1.Orders.Delete" })).toBe("invalid_signature");
      expect(
        await reasonOf({ ...request(key), payloadHash: createHash("sha256").update("x").digest("base64url") }),
      ).toBe("invalid_signature");
      expect(await reasonOf({ ...request(key), sessionKey: newKey().text })).toBe("invalid_signature");
      expect(await reasonOf({ ...request(key), sessionKey: "me" })).toBe("missing_session_key");
      expect(await reasonOf({ ...request(key), requestId: "7" })).toBe("invalid_signature");
      expect(await reasonOf(request(key, { iat: Math.floor(Date.now() / 1000) - 120 }))).toBe("iat_out_of_range");
      expect(await reasonOf({ ...request(key), capabilities: ["admin"] })).toBe("insufficient_permissions");
      expect((await validate({ ...request(key), capabilities: ["service"] })).allowed).toBe(true);

      await revokeSession(
        { context: control.context, sessions, longestLifeMs: 60_000 },
        { sessionKey: key.text, by: ANN, reason: "test" },
      );
      expect(await validate(request(key))).toMatchObject({ allowed: false, reason: "session_not_found", leaseMs: 0 });
    });

    test("once, unless the same service asks about it again", async () => {
      const key = newKey();
      await deploy(control, "once", manifestOf("once@v1"), [key]);
      const input = request(key);
      expect((await validate(input, "service-a")).allowed).toBe(true);
      expect((await validate(input, "service-a")).allowed).toBe(true);
      expect((await validate(input, "service-b")).reason).toBe("replayed");
      expect((await validate(input)).reason).toBe("replayed");
    });

    test("not at all while the registry cannot be read: that is no refusal", async () => {
      const key = newKey();
      await deploy(control, "stale", manifestOf("stale@v1"), [key]);
      stale = 60_000;
      await expect(validate(request(key))).rejects.toThrow(TransportError);
      stale = 0;
      expect((await validate(request(key))).allowed).toBe(true);
    });

    test("a user's session, with what the user holds; its revocation outlives it but not for ever", async () => {
      const session = agentSession("01U");
      const contract = manifestOf("tool@v1", { kind: "agent" });
      const { tables } = control.context;
      const key = newKey();
      await control.registry.transact((tx) => {
        tx.put(tables.users, "01U", { id: "01U", name: "ann", groups: [], active: true, createdAt: 0, createdBy: ANN });
        tx.put(tables.userKeys, session.userKey, {
          key: session.userKey,
          userId: "01U",
          enabled: true,
          createdAt: 0,
          createdBy: ANN,
        });
        tx.put(tables.contracts, session.contractDigest, {
          digest: session.contractDigest,
          contractId: contract.id,
          manifest: contract,
          firstSeenAt: 0,
          presentedAt: 0,
          kept: true,
          presentedBy: ANN,
        });
      });
      await sessions.put({ ...session, sessionKey: key.text });
      expect(await validate(request(key))).toMatchObject({
        allowed: true,
        caller: { type: "user", id: "01U", name: "ann", contractId: "tool@v1" },
      });
      await revokeSession(
        { context: control.context, sessions, longestLifeMs: 1_000 },
        { sessionKey: key.text, by: ANN, reason: "test" },
      );
      expect((await validate(request(key))).reason).toBe("session_not_found");
      expect(tables.revocations.get(key.text)?.value.reason).toBe("test");
    });
  });
});
