import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RecordUnreadableError, RegistryBusyError } from "../src/registry/errors.ts";
import { jsApi } from "../src/registry/jetstream-api.ts";
import { openRegistry } from "../src/registry/open.ts";
import type { OpenRegistry, RegistryOptions } from "../src/registry/open.ts";
import type { RecordChange, TableDefinition } from "../src/registry/registry.ts";
import { startPlainNatsServer, until } from "./plain-nats-server.ts";
import type { PlainNatsServer } from "./plain-nats-server.ts";
import { present } from "./present.ts";

interface Account {
  readonly owner: string;
  readonly balance: number;
}

const ACCOUNTS: TableDefinition<Account> = {
  name: "accounts",
  version: 2,
  decode: (value, version) => {
    if (version > 2) throw new Error(`version ${version} is newer`);
    const { owner, balance } = value as { owner?: string; balance: number };
    return { owner: version === 1 ? "nobody" : (owner ?? ""), balance };
  },
  indexes: { owner: (account) => [account.owner] },
};

let server: PlainNatsServer;
let connections: NatsConnection[];
let registries: OpenRegistry[];

async function open(options: Partial<RegistryOptions> = {}): Promise<OpenRegistry> {
  const nc = await connect({
    servers: server.url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    noAsyncTraces: true,
  });
  connections.push(nc);
  const registry = await openRegistry({ nc, replicas: 1, ...options });
  registries.push(registry);
  return registry;
}

beforeEach(async () => {
  connections = [];
  registries = [];
  server = await startPlainNatsServer();
});

afterEach(async () => {
  await Promise.all(registries.map((registry) => registry.close()));
  await Promise.all(connections.map((nc) => nc.close()));
  await server.remove();
});

describe("records", () => {
  test("are read back by another replica, with any id, and found by index", async () => {
    const one = await open();
    const two = await open();
    const ids = ["orders@v1", "ü/..>*", "plain", "a b"];
    for (const id of ids) await one.transact((tx) => tx.put(one.table(ACCOUNTS), id, { owner: "ann", balance: 1 }));
    await two.reached(one.revision);
    const table = two.table(ACCOUNTS);
    expect([...table.all()].map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect(table.by("owner", "ann")).toHaveLength(4);

    await one.transact((tx) => tx.put(one.table(ACCOUNTS), "plain", { owner: "bob", balance: 2 }));
    await one.transact((tx) => tx.delete(one.table(ACCOUNTS), "a b"));
    await two.reached(one.revision);
    expect(
      table
        .by("owner", "ann")
        .map(({ id }) => id)
        .sort(),
    ).toEqual(["orders@v1", "ü/..>*"].sort());
    expect(table.by("owner", "bob").map(({ value }) => value.balance)).toEqual([2]);
    expect(table.get("a b")).toBeUndefined();
    expect(table.size).toBe(3);

    const late = await open();
    expect(late.revision).toBe(one.revision);
    expect(late.table(ACCOUNTS).size).toBe(3);
    expect(late.table(ACCOUNTS).get("a b")).toBeUndefined();
  });

  test("can be created again after they were deleted", async () => {
    const one = await open();
    const table = one.table(ACCOUNTS);
    await one.transact((tx) => tx.put(table, "a", { owner: "ann", balance: 1 }));
    await one.transact((tx) => tx.delete(table, "a"));
    await one.transact((tx) => {
      if (tx.get(table, "a")) throw new Error("exists");
      tx.put(table, "a", { owner: "ann", balance: 7 });
    });
    expect(table.get("a")?.value.balance).toBe(7);
  });

  test("that could not be read again are not stored", async () => {
    const one = await open();
    const strict: TableDefinition<{ readonly name: string }> = {
      name: "strict",
      version: 1,
      decode: (value) => {
        const { name } = value as { name?: unknown };
        if (typeof name !== "string") throw new Error("name must be text");
        return { name };
      },
    };
    const wrong: unknown = { name: 7 };
    await expect(one.transact((tx) => tx.put(one.table(strict), "a", wrong as { name: string }))).rejects.toThrow(
      "name must be text",
    );
    expect(one.revision).toBe(0);
  });

  test("of an older version are read, of a newer one are neither read nor overwritten", async () => {
    const one = await open();
    const old: TableDefinition<{ balance: number }> = {
      name: "accounts",
      version: 1,
      decode: (value) => value as { balance: number },
    };
    await one.transact((tx) => tx.put(one.table(old), "old", { balance: 5 }));
    const newer: TableDefinition<string> = { name: "others", version: 9, decode: (value) => value as string };
    await one.transact((tx) => tx.put(one.table(newer), "new", "shape of tomorrow"));

    const two = await open();
    expect(two.table(ACCOUNTS).get("old")?.value).toEqual({ owner: "nobody", balance: 5 });
    const older: TableDefinition<string> = {
      name: "others",
      version: 8,
      decode: (_, version) => {
        throw new Error(`version ${version}`);
      },
    };
    expect(two.table(older).get("new")).toBeUndefined();
    await expect(two.transact((tx) => tx.put(two.table(older), "new", "clobbered"))).rejects.toThrow(
      RecordUnreadableError,
    );
    expect(one.table(newer).get("new")?.value).toBe("shape of tomorrow");
  });

  test("with a life of their own are gone everywhere when it ends, and can be made again", async () => {
    const one = await open({ markerTtlMs: 1_000 });
    const two = await open({ markerTtlMs: 1_000 });
    const gone: RecordChange[] = [];
    two.onChange((changes) => gone.push(...changes.filter(({ deleted }) => deleted)));
    const table = one.table(ACCOUNTS);
    await one.transact((tx) => tx.put(table, "short", { owner: "ann", balance: 1 }, { ttlMs: 1_000 }));
    await one.transact((tx) => tx.put(table, "long", { owner: "ann", balance: 1 }));
    await two.reached(one.revision);
    expect(two.table(ACCOUNTS).get("short")).toBeDefined();
    await until(
      () => one.table(ACCOUNTS).get("short") === undefined && two.table(ACCOUNTS).get("short") === undefined,
      "expiry seen",
    );
    expect(gone.map(({ id }) => id)).toEqual(["short"]);
    expect(two.table(ACCOUNTS).get("long")).toBeDefined();
    // The marker itself goes without a message; the view must not insist on it.
    await until(async () => {
      const info = await jsApi<{ state: { messages: number } }>(present(connections[0]), "STREAM.INFO.REGISTRY");
      return info.state.messages === 1;
    }, "the marker expires");
    await one.transact((tx) => tx.put(table, "short", { owner: "bob", balance: 2 }));
    expect(table.get("short")?.value.owner).toBe("bob");
  });
});

describe("transactions", () => {
  test("of two replicas racing lose no update", async () => {
    const replicas = [await open(), await open()];
    const rounds = 40;
    await present(replicas[0]).transact((tx) =>
      tx.put(present(replicas[0]).table(ACCOUNTS), "a", { owner: "ann", balance: 0 }),
    );
    await present(replicas[1]).reached(present(replicas[0]).revision);
    await Promise.all(
      replicas.flatMap((registry) =>
        Array.from({ length: rounds }, () =>
          registry.transact((tx) => {
            const table = registry.table(ACCOUNTS);
            const account = tx.get(table, "a");
            if (!account) throw new Error("missing");
            tx.put(table, "a", { ...account, balance: account.balance + 1 });
          }),
        ),
      ),
    );
    await present(replicas[1]).reached(present(replicas[0]).revision);
    await present(replicas[0]).reached(present(replicas[1]).revision);
    for (const registry of replicas) expect(registry.table(ACCOUNTS).get("a")?.value.balance).toBe(2 * rounds);
  });

  test("that read what they do not write are not skewed", async () => {
    const [one, two] = [await open(), await open()];
    // Both accounts together must stay at 0 or above; each transaction takes 1 from its own after looking at both.
    await one.transact((tx) => {
      tx.put(one.table(ACCOUNTS), "a", { owner: "ann", balance: 5 });
      tx.put(one.table(ACCOUNTS), "b", { owner: "ann", balance: 5 });
    });
    await two.reached(one.revision);
    const take = (registry: OpenRegistry, from: string, byIndex: boolean): Promise<{ result: boolean }> =>
      registry.transact((tx) => {
        const table = registry.table(ACCOUNTS);
        const all = byIndex
          ? tx.by(table, "owner", "ann").map(({ value }) => value)
          : ["a", "b"].map((id) => tx.get(table, id));
        const sum = all.reduce((total, account) => total + (account?.balance ?? 0), 0);
        const own = tx.get(table, from);
        if (!own || sum < 1) return false;
        tx.put(table, from, { ...own, balance: own.balance - 1 });
        return true;
      });
    const taken = await Promise.all(
      Array.from({ length: 20 }, (_, round) => take(round % 2 ? one : two, round % 2 ? "a" : "b", round % 4 > 1)),
    );
    expect(taken.filter(({ result }) => result)).toHaveLength(10);
    await two.reached(one.revision);
    const balances = ["a", "b"].map((id) => two.table(ACCOUNTS).get(id)?.value.balance ?? 0);
    expect((balances[0] ?? 0) + (balances[1] ?? 0)).toBe(0);
  });

  test("of several records are seen whole by every replica", async () => {
    const [one, two] = [await open(), await open()];
    const names = ["a", "b", "c", "d"];
    const torn: string[] = [];
    const commits: number[] = [];
    const table = two.table(ACCOUNTS);
    two.onChange((changes) => {
      commits.push(changes.length);
      const seen = new Set(names.map((id) => table.get(id)?.value.balance));
      if (seen.size !== 1) torn.push([...seen].join());
    });
    const write = (registry: OpenRegistry): Promise<unknown> =>
      registry.transact((tx) => {
        const own = registry.table(ACCOUNTS);
        const next = (tx.get(own, "a")?.balance ?? 0) + 1;
        for (const id of names) tx.put(own, id, { owner: "ann", balance: next });
      });
    for (let round = 0; round < 15; round += 1) await Promise.all([write(one), write(two)]);
    await two.reached(one.revision);
    expect(torn).toEqual([]);
    expect(table.get("d")?.value.balance).toBe(30);
    expect(commits.every((size) => size === 4)).toBe(true);
    expect(commits).toHaveLength(30);
  });

  test("store all or nothing when one record of several was changed", async () => {
    const [one, two] = [await open(), await open({ maxAttempts: 1 })];
    await one.transact((tx) => tx.put(one.table(ACCOUNTS), "a", { owner: "ann", balance: 1 }));
    await two.reached(one.revision);
    let runs = 0;
    // Each run sees a view that the first replica makes old before the commit.
    const busy = two.transact((tx) => {
      runs += 1;
      const table = two.table(ACCOUNTS);
      const account = tx.get(table, "a");
      // On our own connection, so that it arrives before ours.
      present(connections[1]).publish(
        "registry.accounts.a",
        Buffer.from(JSON.stringify({ version: 2, tx: `rival${runs}`, value: { owner: "eve", balance: runs } })),
      );
      tx.put(table, "a", { owner: "ann", balance: (account?.balance ?? 0) + 100 });
      tx.put(table, "b", { owner: "ann", balance: 100 });
    });
    await expect(busy).rejects.toThrow(RegistryBusyError);
    expect(runs).toBe(2);
    await one.reached(two.revision);
    expect(one.table(ACCOUNTS).get("b")).toBeUndefined();
    expect(one.table(ACCOUNTS).get("a")?.value).toEqual({ owner: "eve", balance: runs });
  });

  test("that throw store nothing, and what a listener throws harms nobody", async () => {
    const one = await open();
    one.onChange(() => {
      throw new Error("a careless listener");
    });
    const table = one.table(ACCOUNTS);
    await expect(
      one.transact((tx) => {
        tx.put(table, "a", { owner: "ann", balance: 1 });
        throw new Error("changed my mind");
      }),
    ).rejects.toThrow("changed my mind");
    const { revision } = await one.transact((tx) => tx.put(table, "b", { owner: "ann", balance: 1 }));
    expect(table.get("a")).toBeUndefined();
    expect(table.get("b")?.revision).toBe(revision);
  });
});

describe("the view survives", () => {
  test("kill -9 of nats-server in the middle of transactions: everything acknowledged is there, once", async () => {
    const replicas = [await open({ commitTimeoutMs: 500 }), await open({ commitTimeoutMs: 500 })];
    const rounds = 60;
    let done = 0;
    const work = replicas.map(async (registry, replica) => {
      const table = registry.table(ACCOUNTS);
      for (let round = 0; round < rounds; round += 1) {
        await registry.transact((tx) => {
          const balance = tx.get(table, "shared")?.balance ?? 0;
          tx.put(table, "shared", { owner: "all", balance: balance + 1 });
          if (round % 2) tx.put(table, `own-${replica}`, { owner: "one", balance: round });
        });
        done += 1;
      }
    });
    for (const at of [15, 45, 80]) {
      await until(() => done >= at, `${at} transactions`);
      await server.kill();
      await server.start();
    }
    await Promise.all(work);
    await Promise.all(
      replicas.map((registry) => registry.reached(Math.max(...replicas.map(({ revision }) => revision)))),
    );
    for (const registry of replicas) expect(registry.table(ACCOUNTS).get("shared")?.value.balance).toBe(2 * rounds);
    const late = await open();
    expect(late.table(ACCOUNTS).get("shared")?.value.balance).toBe(2 * rounds);
  });

  test("an answer that comes too late: the stored transaction is recognised, not repeated", async () => {
    const one = await open({ commitTimeoutMs: 150 });
    const table = one.table(ACCOUNTS);
    await one.transact((tx) => tx.put(table, "a", { owner: "ann", balance: 0 }));
    for (let round = 1; round <= 5; round += 1) {
      server.freeze(true);
      const slow = one.transact((tx) =>
        tx.put(table, "a", { owner: "ann", balance: (tx.get(table, "a")?.balance ?? 0) + 1 }),
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      server.freeze(false);
      await slow;
      expect(table.get("a")?.value.balance).toBe(round);
    }
  });

  test("its consumer being deleted", async () => {
    const [one, two] = [await open(), await open()];
    for (let round = 0; round < 2; round += 1) {
      const { consumers } = await jsApi<{ consumers: string[] }>(present(connections[0]), "CONSUMER.NAMES.REGISTRY");
      for (const consumer of consumers) await jsApi(present(connections[0]), `CONSUMER.DELETE.REGISTRY.${consumer}`);
      await one.transact((tx) => tx.put(one.table(ACCOUNTS), `a${round}`, { owner: "ann", balance: round }));
      await two.reached(one.revision, { signal: AbortSignal.timeout(10_000) });
      expect(two.table(ACCOUNTS).get(`a${round}`)?.value.balance).toBe(round);
    }
  });

  test("the whole stream being rebuilt: what is gone is gone, and the epoch says so", async () => {
    const one = await open();
    const table = one.table(ACCOUNTS);
    for (const id of ["a", "b", "c"]) await one.transact((tx) => tx.put(table, id, { owner: "ann", balance: 1 }));
    const epoch = one.epoch;
    const gone: string[] = [];
    one.onChange((changes) => gone.push(...changes.filter(({ deleted }) => deleted).map(({ id }) => id)));
    await jsApi(present(connections[0]), "STREAM.DELETE.REGISTRY");
    await until(() => one.epoch !== epoch && table.size === 0, "the view follows the new stream");
    expect(gone.sort()).toEqual(["a", "b", "c"]);
    await one.transact((tx) => tx.put(table, "d", { owner: "ann", balance: 4 }));
    expect(table.get("d")?.value.balance).toBe(4);
    expect(one.revision).toBe(1);
  });

  test("messages that are no records", async () => {
    const one = await open();
    const nc = present(connections[0]);
    await nc.request("registry.accounts.bad", Buffer.from("not json"));
    await nc.request("registry.nonsense", Buffer.from("{}"));
    await nc.request("registry.accounts.x=y", Buffer.from('{"version":1,"tx":"t","value":1}'));
    await one.transact((tx) => tx.put(one.table(ACCOUNTS), "good", { owner: "ann", balance: 1 }));
    expect(one.table(ACCOUNTS).size).toBe(1);
    const late = await open();
    expect(late.table(ACCOUNTS).size).toBe(1);
    await late.transact((tx) =>
      tx.put(late.table(ACCOUNTS), "more", {
        owner: "ann",
        balance: tx.get(late.table(ACCOUNTS), "good")?.balance ?? 0,
      }),
    );
    expect(late.table(ACCOUNTS).size).toBe(2);
  });
});
