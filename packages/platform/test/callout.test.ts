import { headers } from "@nats-io/nats-core";
import type { NatsConnection } from "@nats-io/nats-core";
import { contractDigest, type Manifest } from "@trellis/contracts";
import {
  inboxPrefix,
  parseAuthChange,
  parseSessionNotice,
  sessionNoticeSubject,
  TRELLIS_SUBJECTS,
} from "@trellis/protocol";
import type { AuthChange, SessionNotice } from "@trellis/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ANN, manifestOf, newKey } from "./control-kit.ts";
import type { TestKey } from "./control-kit.ts";
import { deploy, startLivePlatform } from "./live-control.ts";
import type { LivePlatform, LiveReplica } from "./live-control.ts";
import { until } from "./plain-nats-server.ts";
import { present } from "./present.ts";

const ORDERS = manifestOf("orders@v1", { rpc: { "Orders.Get": [] } });
const ORDERS_MORE = manifestOf("orders@v1", { rpc: { "Orders.Get": [], "Orders.List": [] } });

let platform: LivePlatform;
let replica: LiveReplica;

beforeAll(async () => {
  platform = await startLivePlatform();
}, 30_000);
afterAll(() => platform?.close());
beforeEach(async () => {
  replica = await platform.replica({ graceMs: 600 });
});
afterEach(() => replica.close());

const denials = (): unknown[] =>
  replica.lines.filter(({ message }) => message === "a connection was refused").map(({ fields }) => fields["reason"]);
const live = (key: { readonly text: string }): number => replica.connections.ofSession(key.text).length;

/** A connection, and what the server refuses it from now on. */
async function heard(nc: NatsConnection): Promise<[NatsConnection, readonly string[]]> {
  const violations: string[] = [];
  void (async () => {
    for await (const status of nc.status()) if (status.type === "error") violations.push(status.error.message);
  })();
  await nc.flush();
  return [nc, violations];
}

/** What a session is told from now on. */
async function noticesTo(key: TestKey): Promise<readonly string[]> {
  const told: string[] = [];
  const nc = await platform.connect("TRELLIS");
  nc.subscribe(sessionNoticeSubject(inboxPrefix(key.text)), {
    callback: (_, message) => void told.push(present(parseSessionNotice(message.data)).type),
  });
  await nc.flush();
  return told;
}

async function setEnabled(deployment: string, enabled: boolean): Promise<void> {
  const { tables } = replica.context;
  await replica.registry.transact((tx) =>
    tx.put(tables.deployments, deployment, { ...present(tx.get(tables.deployments, deployment)), enabled }),
  );
}

/** A person with a key and a contract the platform knows; `signIn` opens a session of theirs. */
async function person(id: string, name: string, groups: string[], key: TestKey, contract: Manifest) {
  const userKey = newKey();
  const digest = contractDigest(contract);
  const { tables } = replica.context;
  const now = Date.now();
  const by = { createdAt: now, createdBy: ANN };
  await replica.registry.transact((tx) => {
    tx.put(tables.users, id, { id, name, groups, active: true, ...by });
    tx.put(tables.userKeys, userKey.text, { key: userKey.text, userId: id, enabled: true, ...by });
    tx.put(tables.contracts, digest, {
      digest,
      contractId: contract.id,
      manifest: contract,
      firstSeenAt: now,
      presentedAt: now,
      kept: true,
      presentedBy: ANN,
    });
  });
  const signIn = () =>
    replica.sessions.put({
      sessionKey: key.text,
      userId: id,
      userKey: userKey.text,
      contractDigest: digest,
      createdAt: now,
      lastSeenAt: now,
    });
  return { signIn };
}

describe("the callout", () => {
  test("lets an instance in with exactly the permissions of its contract, and it is seen", async () => {
    const key = newKey();
    const digest = await deploy(replica, "orders", ORDERS, [key]);
    const nc = await platform.participant(key, ORDERS);
    const info = await nc.rtt();
    expect(info).toBeGreaterThanOrEqual(0);

    await until(() => live(key) === 1, "the connection is seen");
    const [connection] = replica.connections.ofSession(key.text);
    expect(connection?.name).toMatchObject({ type: "service", principalName: "orders", sessionKey: key.text, digest });
    expect(replica.connections.replicas("orders", digest)).toBe(1);

    const violations: string[] = [];
    void (async () => {
      for await (const status of nc.status()) if (status.type === "error") violations.push(status.error.message);
    })();
    nc.subscribe("rpc.v1.Orders.Get", { queue: "orders@v1", callback: () => undefined });
    await nc.flush();
    expect(violations).toEqual([]);
    nc.subscribe("rpc.v1.Orders.Get", { callback: () => undefined });
    nc.subscribe("rpc.v1.Other", { callback: () => undefined });
    nc.subscribe(">", { callback: () => undefined });
    nc.subscribe("_INBOX.>", { callback: () => undefined });
    nc.publish("$JS.API.STREAM.NAMES");
    nc.publish(TRELLIS_SUBJECTS.authChanges, "{}");
    await until(() => violations.length >= 6, "every violation is refused");
    await nc.close();
    await until(() => live(key) === 0, "the close is seen");
    expect(replica.published.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["Auth.Connections.Opened", "Auth.Connections.Closed"]),
    );
  });

  test("refuses with a logged reason: strangers, forged and stale tokens, other contracts, disabled and revoked ones", async () => {
    const key = newKey();
    await deploy(replica, "refusing", manifestOf("refusing@v1"), [key]);
    const contract = manifestOf("refusing@v1");
    const other = newKey();
    const cases: [string, () => Promise<unknown>][] = [
      ["session_not_found", () => platform.participant(newKey(), contract)],
      ["iat_out_of_range", () => platform.participant(key, contract, { iat: Math.floor(Date.now() / 1000) - 600 })],
      ["missing_session_key", () => platform.participant(key, contract, { tamper: () => "" })],
      ["invalid_signature", () => platform.participant(key, contract, { tamper: () => "guess" })],
      [
        "invalid_signature",
        () => platform.participant(key, contract, { tamper: (token) => token.replace(key.text, other.text) }),
      ],
      ["contract_changed", () => platform.participant(key, contractDigest(manifestOf("unheard@v1")))],
    ];
    for (const [reason, connect] of cases) {
      await expect(connect()).rejects.toThrow();
      expect(denials().at(-1)).toBe(reason);
    }

    const { tables } = replica.context;
    await replica.registry.transact((tx) =>
      tx.put(tables.deployments, "refusing", { ...present(tx.get(tables.deployments, "refusing")), enabled: false }),
    );
    await expect(platform.participant(key, contract)).rejects.toThrow();
    expect(denials().at(-1)).toBe("service_disabled");
    await replica.registry.transact((tx) =>
      tx.put(tables.deployments, "refusing", { ...present(tx.get(tables.deployments, "refusing")), enabled: true }),
    );
    await replica.access.revoke({ sessionKey: key.text, by: ANN, reason: "test" });
    await expect(platform.participant(key, contract)).rejects.toThrow();
    expect(denials().at(-1)).toBe("session_not_found");
  });

  test("refuses a token that was captured from another connection", async () => {
    const key = newKey();
    await deploy(replica, "captured", ORDERS, [key]);
    let captured = "";
    await platform.participant(key, ORDERS, { tamper: (token) => (captured = token) });
    expect(captured).not.toBe("");
    await expect(platform.participant(key, ORDERS, { tamper: () => captured })).rejects.toThrow();
    expect(denials().at(-1)).toBe("invalid_signature");
  });

  test("lets a user's session in while it lasts", async () => {
    const key = newKey();
    const contract = manifestOf("tool@v1", { kind: "agent" });
    const { tables } = replica.context;
    const { signIn } = await person("U1", "ann", [], key, contract);
    await expect(platform.participant(key, contract)).rejects.toThrow();
    await signIn();
    const nc = await platform.participant(key, contract);
    await until(() => live(key) === 1, "the session is seen");
    expect(replica.connections.ofPrincipal("U1")).toHaveLength(1);
    await expect(platform.participant(key, ORDERS)).rejects.toThrow();
    expect(denials().at(-1)).toBe("contract_changed");

    const closed = nc.closed();
    await replica.registry.transact((tx) =>
      tx.put(tables.users, "U1", { ...present(tx.get(tables.users, "U1")), active: false }),
    );
    await closed;
    await expect(platform.participant(key, contract)).rejects.toThrow();
    expect(denials().at(-1)).toBe("user_inactive");
  });
});

describe("what changes reaches live connections", () => {
  test("a revoked session is told and cut, and the chain says so", async () => {
    const key = newKey();
    await deploy(replica, "revoked", ORDERS, [key]);
    const nc = await platform.participant(key, ORDERS);
    await until(() => live(key) === 1, "the connection is seen");
    const changes: AuthChange[] = [];
    const notices: SessionNotice[] = [];
    const listener = await platform.connect("TRELLIS");
    listener.subscribe(TRELLIS_SUBJECTS.authChanges, {
      callback: (_, message) => void changes.push(present(parseAuthChange(message.data))),
    });
    listener.subscribe(sessionNoticeSubject(inboxPrefix(key.text)), {
      callback: (_, message) => void notices.push(present(parseSessionNotice(message.data))),
    });
    await listener.flush();
    const before = replica.access.changes.revision;
    const { revision } = await replica.access.revoke({ sessionKey: key.text, by: ANN, reason: "stolen" });
    await nc.closed();
    await until(() => changes.some(({ kind }) => kind === "change"), "the change is announced");
    const change = present(changes.find(({ kind }) => kind === "change"));
    expect(change).toMatchObject({ previous: before, sessions: [key.text], epoch: replica.registry.epoch });
    expect(change.revision).toBeGreaterThan(before);
    expect(change.revision).toBeLessThanOrEqual(revision);
    await until(() => notices.some(({ type }) => type === "revoked"), "the session is told");
    await until(
      () => changes.some(({ kind, revision: at }) => kind === "beat" && at === change.revision),
      "the beat repeats it",
    );
    expect(
      replica.published
        .filter(({ name }) => name === "Auth.Sessions.Revoked")
        .map(({ payload }) => payload["sessionKey"]),
    ).toEqual([key.text]);
    await until(
      () => replica.published.some(({ name }) => name === "Auth.Connections.Kicked"),
      "the kick is published",
    );
    expect(replica.context.tables.outbox.size).toBeGreaterThan(0);
  });

  test("what was added: told at once, kicked only when it has not renewed", async () => {
    const [slow, quick] = [newKey(), newKey()];
    const digest = await deploy(replica, "grown", ORDERS, [slow, quick]);
    const other = await platform.connect("TRELLIS");
    const told: string[] = [];
    for (const key of [slow, quick]) {
      other.subscribe(sessionNoticeSubject(inboxPrefix(key.text)), {
        callback: (_, message) =>
          void told.push(`${key === slow ? "slow" : "quick"} ${parseSessionNotice(message.data)?.type}`),
      });
    }
    await other.flush();
    const user = manifestOf("caller@v1", {
      uses: { optional: { billing: { contract: "billing@v1", rpc: { call: ["Billing.Charge"] } } } },
    });
    await deploy(replica, "caller", user, [slow, quick]);
    expect(digest).not.toBe(contractDigest(user));
    const [stays, first] = [await platform.participant(slow, user), await platform.participant(quick, user)];
    await until(() => live(slow) + live(quick) === 2, "both are seen");

    // Billing becomes active: the optional use is granted.
    await deploy(replica, "billing", manifestOf("billing@v1", { rpc: { "Billing.Charge": [] } }), [newKey()]);
    await until(() => told.length >= 2, "both are told");
    expect([...told].sort()).toEqual(["quick permissionsChanged", "slow permissionsChanged"]);
    const second = await platform.participant(quick, user);
    await first.close();
    await stays.closed();
    await until(() => live(quick) === 1 && live(slow) === 0, "only the renewed one is left");
    expect(second.isClosed()).toBe(false);
  });

  test("what was taken away: told, kicked when it has not renewed, and back with less", async () => {
    const key = newKey();
    const smaller = await deploy(replica, "shrunk", ORDERS, [key]);
    const user = manifestOf("shrinker@v1", {
      uses: { optional: { tax: { contract: "tax@v1", rpc: { call: ["Tax.Rate"] } } } },
    });
    await deploy(replica, "tax", manifestOf("tax@v1", { rpc: { "Tax.Rate": [] } }), [newKey()]);
    await deploy(replica, "shrunk", user, [key], { alsoAccepted: [smaller] });
    const nc = await platform.participant(key, user);
    await until(() => live(key) === 1, "the connection is seen");
    await setEnabled("tax", false);
    await nc.closed();
    const back = await platform.participant(key, user);
    await until(() => live(key) === 1, "it is back");
    await replica.access.enforcer.settled();
    expect(back.isClosed()).toBe(false);
  });

  test("a required contract that is gone takes what it granted from who works, and nobody begins without it", async () => {
    const [key, late] = [newKey(), newKey()];
    const tax = manifestOf("duty@v1", { rpc: { "Duty.Rate": [] } });
    const clerk = manifestOf("clerk@v1", {
      rpc: { "Clerk.Ask": [] },
      uses: { required: { duty: { contract: "duty@v1", rpc: { call: ["Duty.Rate"] } } } },
    });
    await deploy(replica, "duty", tax, [newKey()]);
    await deploy(replica, "clerk", clerk, [key, late]);
    const [first, violations] = await heard(await platform.participant(key, clerk));
    await until(() => live(key) === 1, "the connection is seen");
    const told = await noticesTo(key);
    const grantsOf = async (one: TestKey): Promise<unknown> => {
      const verdict = await replica.access.resolver.resolve({
        sessionKey: one.text,
        contractDigest: contractDigest(clerk),
      });
      return verdict.admitted ? Object.keys(verdict.grants.uses) : verdict.waiting;
    };
    first.publish("rpc.v1.Duty.Rate");
    await first.flush();
    expect(violations).toEqual([]);

    await setEnabled("duty", false);
    await until(() => told.length === 1, "it is told");
    expect(told).toEqual(["permissionsChanged"]);
    expect(first.isClosed()).toBe(false);
    expect(await grantsOf(key)).toEqual([]);
    expect(await grantsOf(late)).toBe("dependency_not_active");
    await expect(platform.participant(late, clerk)).rejects.toThrow();
    // It moves: the rest is granted, and only the old connection ends.
    const [second, refused] = await heard(await platform.participant(key, clerk));
    await first.closed();
    second.publish("rpc.v1.Duty.Rate");
    second.subscribe("rpc.v1.Clerk.Ask", { queue: "clerk@v1", callback: () => undefined });
    await until(() => refused.length > 0, "the duty is refused");
    expect(refused).toEqual([expect.stringContaining("rpc.v1.Duty.Rate")]);
    // A connection that was lost is no beginning either.
    await second.close();
    await until(() => live(key) === 0, "the close is seen");
    const third = await platform.participant(key, clerk);
    await until(() => live(key) === 1, "it is back");

    await setEnabled("duty", true);
    await until(() => told.length >= 2, "it is told that more is granted");
    const [fourth, none] = await heard(await platform.participant(key, clerk));
    await third.close();
    fourth.publish("rpc.v1.Duty.Rate");
    await fourth.flush();
    expect(none).toEqual([]);
  });

  test("a capability that a user no longer holds goes the same way", async () => {
    const key = newKey();
    const contract = manifestOf("fetcher@v1", {
      kind: "agent",
      uses: {
        required: {
          vault: { contract: "vault@v1", rpc: { call: ["Vault.Open"] } },
          lobby: { contract: "lobby@v1", rpc: { call: ["Lobby.Enter"] } },
        },
      },
    });
    await deploy(replica, "vault", manifestOf("vault@v1", { rpc: { "Vault.Open": ["vault::open"] } }), [newKey()]);
    await deploy(replica, "lobby", manifestOf("lobby@v1", { rpc: { "Lobby.Enter": [] } }), [newKey()]);
    const { tables } = replica.context;
    const setGroup = (capabilities: readonly string[]): Promise<unknown> =>
      replica.registry.transact((tx) =>
        tx.put(tables.groups, "keepers", {
          name: "keepers",
          capabilities: [...capabilities],
          everyCapability: false,
          createdAt: Date.now(),
        }),
      );
    await setGroup(["vault::open"]);
    const { signIn } = await person("U2", "eve", ["keepers"], key, contract);
    await signIn();
    const first = await platform.participant(key, contract);
    await until(() => live(key) === 1, "the connection is seen");
    const told = await noticesTo(key);
    await setGroup([]);
    await until(() => told.length === 1, "it is told");
    const [second, refused] = await heard(await platform.participant(key, contract));
    await first.closed();
    second.publish("rpc.v1.Lobby.Enter");
    second.publish("rpc.v1.Vault.Open");
    await until(() => refused.length > 0, "the vault is refused");
    expect(refused).toEqual([expect.stringContaining("rpc.v1.Vault.Open")]);
  });

  test("a digest that is no longer accepted is kicked; a newer compatible one leaves older replicas alone", async () => {
    const key = newKey();
    const digest = await deploy(replica, "rolling", ORDERS, [key]);
    const nc = await platform.participant(key, ORDERS);
    await until(() => live(key) === 1, "the connection is seen");
    await deploy(replica, "rolling", ORDERS_MORE, [], { alsoAccepted: [digest] });
    await replica.access.enforcer.settled();
    expect(nc.isClosed()).toBe(false);
    await deploy(replica, "rolling", ORDERS_MORE, []);
    await nc.closed();
  });

  test("a connect in flight while its instance is disabled does not stay", async () => {
    const keys = Array.from({ length: 20 }, newKey);
    await deploy(replica, "racing", ORDERS, keys);
    const { tables } = replica.context;
    const connecting = keys.map((key) => platform.participant(key, ORDERS).catch(() => undefined));
    await replica.registry.transact((tx) => {
      for (const key of keys)
        tx.put(tables.instances, key.text, { ...present(tx.get(tables.instances, key.text)), enabled: false });
    });
    const connections = await Promise.all(connecting);
    await Promise.all(connections.map(async (nc) => nc?.closed()));
    await until(() => keys.every((key) => live(key) === 0), "nobody is left");
  });
});

describe("replicas", () => {
  test("share the questions, know each other's connections, and learn of those from before their start", async () => {
    const keys = Array.from({ length: 40 }, newKey);
    await deploy(replica, "shared", ORDERS, keys);
    const second = await platform.replica();
    await second.registry.reached(replica.registry.revision);
    const before = [replica.access.counts.admitted, second.access.counts.admitted];
    await Promise.all(keys.map((key) => platform.participant(key, ORDERS)));
    expect(replica.access.counts.admitted - present(before[0])).toBeGreaterThan(0);
    expect(second.access.counts.admitted - present(before[1])).toBeGreaterThan(0);
    for (const one of [replica, second]) await until(() => one.connections.replicas("shared") === 40, "both know all");

    const late = await platform.replica();
    await until(() => late.connections.replicas("shared") === 40, "a replica that starts later knows all");
    // Opened and closed have the same id from every replica, so the stream stores each once.
    const idOf = (one: LiveReplica): string[] =>
      one.published
        .filter(
          ({ name, payload }) =>
            name === "Auth.Connections.Opened" && JSON.stringify(payload).includes(present(keys[0]).text),
        )
        .map(({ id }) => id);
    expect(idOf(second)).toEqual(idOf(replica));
    await second.close();
    await late.close();
  });

  test("revocation by one is enforced by all, whoever let the session in", async () => {
    const keys = Array.from({ length: 6 }, newKey);
    await deploy(replica, "everywhere", ORDERS, keys);
    const second = await platform.replica();
    await second.registry.reached(replica.registry.revision);
    const connections = await Promise.all(keys.map((key) => platform.participant(key, ORDERS)));
    await until(() => second.connections.replicas("everywhere") === 6, "all are seen");
    await replica.close();
    for (const key of keys) await second.access.revoke({ sessionKey: key.text, by: ANN, reason: "test" });
    await Promise.all(connections.map((nc) => nc.closed()));
    await second.close();
  });

  test("none answers: clients wait and get in when one is back", async () => {
    const key = newKey();
    await deploy(replica, "waiting", ORDERS, [key]);
    await replica.close();
    await expect(platform.participant(key, ORDERS)).rejects.toThrow();
    replica = await platform.replica();
    await platform.participant(key, ORDERS);
  }, 20_000);
});

test("questions that are not sealed for us or not from a server are not answered", async () => {
  const auth = await platform.connect("AUTH");
  // The server forbids users of the account to ask; that is what keeps strangers out.
  const forged = headers();
  forged.set("Nats-Server-Xkey", "XDUMMY");
  auth.publish("$SYS.REQ.USER.AUTH", "nonsense", { headers: forged });
  await auth.flush();
  const key = newKey();
  await deploy(replica, "after", ORDERS, [key]);
  await platform.participant(key, ORDERS);
});
