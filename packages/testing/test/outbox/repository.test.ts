// One suite, run by every repository: SQLite, and PostgreSQL where there is one.
import { DatabaseSync } from "node:sqlite";
import type { PreparedEvent } from "@trellis/client";
import { createInbox, OutboxFull } from "@trellis/outbox";
import type { InboxRepository, OutboxRepository } from "@trellis/outbox";
import { postgresRepository } from "@trellis/outbox/postgres";
import { sqliteRepository } from "@trellis/outbox/sqlite";
import { err, ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import type { EventContext } from "@trellis/server";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../events/eventually.ts";
import { hasPostgres, startPostgres, type RunningPostgres } from "../../../../scripts/peers/postgres.ts";

/** A database as these tests use it. */
interface Books {
  readonly repository: OutboxRepository & InboxRepository<unknown>;
  add(...events: readonly PreparedEvent[]): Promise<void>;
  /** Adds and then fails. */
  addAndFail(event: PreparedEvent): Promise<void>;
  /** What a handler does: writes a line through its transaction. */
  write(tx: unknown, text: string): void | Promise<void>;
  written(): Promise<readonly string[]>;
  /** The same tables, as another process has them. */
  again(): Books;
}

let prefix = 0;
const failure = new Error("undo this");

function sqliteBooks(db: DatabaseSync, name: string, maxWaiting: number): Books {
  const repository = sqliteRepository(db, { prefix: name, maxWaiting });
  db.exec(`CREATE TABLE IF NOT EXISTS ${name}lines (text TEXT)`);
  return {
    repository,
    add: async (...events) => repository.transaction((tx) => repository.add(tx, ...events)),
    addAndFail: async (event) =>
      repository.transaction((tx) => {
        repository.add(tx, event);
        throw failure;
      }),
    write: (_, text) => void db.prepare(`INSERT INTO ${name}lines VALUES (?)`).run(text),
    written: async () =>
      db
        .prepare(`SELECT text FROM ${name}lines`)
        .all()
        .map((row) => String(row["text"])),
    again: () => sqliteBooks(db, name, maxWaiting),
  };
}

function postgresBooks(pool: Pool, name: string, maxWaiting: number): Books {
  const repository = postgresRepository(pool, { prefix: name, maxWaiting });
  return {
    repository,
    add: (...events) => repository.transaction((tx) => repository.add(tx, ...events)),
    addAndFail: (event) =>
      repository.transaction(async (tx) => {
        await repository.add(tx, event);
        throw failure;
      }),
    async write(tx, text) {
      await clientOf(tx).query(`INSERT INTO ${name}lines VALUES ($1)`, [text]);
    },
    async written() {
      return (await pool.query<{ text: string }>(`SELECT text FROM ${name}lines`)).rows.map(({ text }) => text);
    },
    again: () => postgresBooks(pool, name, maxWaiting),
  };
}

function clientOf(tx: unknown): { query(text: string, values: unknown[]): Promise<unknown> } {
  if (typeof tx === "object" && tx !== null && "query" in tx && typeof tx.query === "function") {
    const query = tx.query.bind(tx);
    return { query: (text, values) => query(text, values) };
  }
  throw new TypeError("not a client");
}

let cluster: RunningPostgres | undefined;
let pool: Pool | undefined;
beforeAll(async () => {
  if (!hasPostgres()) return;
  cluster = await startPostgres({ settings: { fsync: "off" } });
  pool = new Pool({ connectionString: cluster.url });
  // The server may be gone before its last connections are.
  pool.on("error", () => undefined);
});
afterAll(async () => {
  await pool?.end();
  await cluster?.[Symbol.asyncDispose]();
});

const MAKERS = {
  sqlite: async (maxWaiting: number) => sqliteBooks(new DatabaseSync(":memory:"), `t${++prefix}_`, maxWaiting),
  postgres: async (maxWaiting: number) => {
    const server = pool;
    if (server === undefined) throw new Error("there is no PostgreSQL");
    const name = `t${++prefix}_`;
    await Promise.all([1, 2, 3].map(() => postgresRepository(server, { prefix: name }).createTables()));
    await server.query(`CREATE TABLE ${name}lines (text text)`);
    return postgresBooks(server, name, maxWaiting);
  },
} as const;

const event = (id: string, lane = "a", name = "Shop.Ordered"): PreparedEvent => ({
  name,
  id,
  subject: `events.v1.${name}.${lane}`,
  body: `{"id":"${id}","text":"\\"ä€😀"}`,
  headers: { "trellis-time": "2026-01-01T00:00:00.000Z" },
});
const claim = (holder: string, limit = 100, leaseMs = 60_000) => ({ holder, limit, leaseMs, names: ["Shop.Ordered"] });
const ids = (events: readonly { readonly event: PreparedEvent }[]) => events.map((each) => each.event.id);

for (const kind of ["sqlite", "postgres"] as const) {
  describe.skipIf(kind === "postgres" && !hasPostgres())(`the repository of ${kind}`, () => {
    const open = (maxWaiting = 1_000) => MAKERS[kind](maxWaiting);

    it("keeps what was committed, in order and to the last byte, and nothing of what was undone", async () => {
      const { repository, add, addAndFail } = await open();
      await add(event("1"), event("2", "b"));
      await expect(addAndFail(event("3"))).rejects.toBe(failure);
      await add(event("4"));
      const claimed = await repository.claim(claim("me"));
      expect(claimed.map((each) => each.event)).toEqual([event("1"), event("2", "b"), event("4")]);
      expect(await repository.status()).toMatchObject({ waiting: 3, parked: 0 });
      await repository.sent(claimed.slice(0, 2));
      await repository.release("me");
      expect(ids(await repository.claim(claim("you")))).toEqual(["4"]);
    });

    it("gives an event, and what follows it in its lane, to one holder at a time", async () => {
      const books = await open();
      const other = books.again().repository;
      await books.add(event("1"), event("2"), event("3", "b"), event("4"));
      expect(ids(await books.repository.claim(claim("me", 1)))).toEqual(["1"]);
      expect(ids(await other.claim(claim("you")))).toEqual(["3"]);
      expect(ids(await books.repository.claim(claim("me")))).toEqual(["1", "2", "4"]);
      await books.repository.release("me");
      expect(ids(await other.claim(claim("you")))).toEqual(["1", "2", "3", "4"]);
    });

    it("many who claim at once never share a lane", async () => {
      const books = await open();
      await books.add(...Array.from({ length: 60 }, (_, n) => event(`${n}`, `lane${n % 5}`)));
      const claims = await Promise.all(
        Array.from({ length: 6 }, (_, n) => books.again().repository.claim(claim(`holder${n}`, 7))),
      );
      const holders = new Map<string, Set<number>>();
      claims.forEach((claimed, holder) => {
        for (const { lane } of claimed) holders.set(lane, (holders.get(lane) ?? new Set()).add(holder));
      });
      expect([...holders.values()].map(({ size }) => size)).toEqual([...holders.values()].map(() => 1));
      expect(claims.flat().length).toBeGreaterThan(0);
    });

    it("takes over what a holder did not renew, and not what it did", async () => {
      const { repository, add } = await open();
      await add(event("1"), event("2", "b"));
      expect(ids(await repository.claim(claim("dead", 1, 1)))).toEqual(["1"]);
      expect(ids(await repository.claim(claim("alive", 1, 1)))).not.toEqual([]);
      await repository.renew("alive", 60_000);
      await eventually(async () => {
        const { length } = await repository.claim(claim("me"));
        expect(length).toBe(1);
      });
    });

    it("leaves events of other names to those who know them", async () => {
      const { repository, add } = await open();
      await add(event("1", "a", "Shop.New"), event("2"));
      expect(ids(await repository.claim(claim("old")))).toEqual(["2"]);
      expect(ids(await repository.claim({ ...claim("new"), names: ["Shop.New"] }))).toEqual(["1"]);
    });

    it("puts one aside, lets it wait again, and forgets it", async () => {
      const { repository, add } = await open();
      await add(event("1"), event("2"));
      const [first] = await repository.claim(claim("me"));
      if (first === undefined) throw new Error("nothing was claimed");
      await repository.park(first, "too large");
      expect(await repository.parked()).toEqual([{ event: event("1"), reason: "too large" }]);
      expect(ids(await repository.claim(claim("me")))).toEqual(["2"]);
      expect(await repository.retry("1")).toBe(true);
      expect(await repository.retry("1")).toBe(false);
      expect(ids(await repository.claim(claim("me")))).toEqual(["1", "2"]);
      await repository.park(first, "too large");
      expect(await repository.drop("1")).toBe(true);
      expect(await repository.status()).toMatchObject({ waiting: 1, parked: 0 });
    });

    it("refuses one more than it may hold, and takes it when there is room", async () => {
      const { repository, add } = await open(3);
      await add(event("1"), event("2", "b"), event("3"));
      await expect(add(event("4"))).rejects.toThrow(OutboxFull);
      const claimed = await repository.claim(claim("me"));
      await repository.sent(claimed.slice(1, 2));
      await add(event("4"));
      await expect(add(event("5"))).rejects.toThrow("holds 3 events");
    });

    it("an inbox lets an effect happen once, also when it comes twice at the same time", async () => {
      const books = await open();
      const inbox = createInbox(books.repository);
      const handle = inbox.once(({ id }, tx) => books.write(tx, id));
      await handle(context("1"));
      await Promise.all([handle(context("2")), handle(context("2")), handle(context("2"))]);
      await handle(context("1"));
      expect(await books.written()).toEqual(["1", "2"]);
      // Another consumer, and another event that somebody gave the same id, are others.
      await handle(context("1", { consumer: "billing.parcels" }));
      await handle(context("1", { name: "Shop.Noted" }));
      expect(await books.written()).toEqual(["1", "2", "1", "1"]);
    });

    it("an inbox undoes what a handler did that throws or refuses, and lets it try again", async () => {
      const books = await open();
      let attempt = 0;
      const inbox = createInbox(books.repository);
      const handle = inbox.once((_, tx) => {
        attempt += 1;
        const after = () => {
          if (attempt === 1) throw failure;
          return attempt === 2 ? err("not now") : ok();
        };
        const writing = books.write(tx, `attempt ${attempt}`);
        return writing instanceof Promise ? writing.then(after) : after();
      });
      await expect(handle(context("1"))).rejects.toBe(failure);
      expect(await handle(context("1"))).toEqual(err("not now"));
      expect(await handle(context("1"))).toEqual(ok());
      expect(await books.written()).toEqual(["attempt 3"]);
    });

    it("an inbox forgets what is older than it keeps", async () => {
      const { repository } = await open();
      const remember = async (id: string) =>
        repository.transaction((tx) => repository.remember(tx, { consumer: "c", name: "n", id }));
      for (const id of ["1", "2", "3"]) expect(await remember(id)).toBe(true);
      expect(await remember("1")).toBe(false);
      expect(await repository.forget(new Date(Date.now() - 60_000), 10)).toBe(0);
      expect(await repository.forget(new Date(Date.now() + 60_000), 2)).toBe(2);
      expect(await repository.forget(new Date(Date.now() + 60_000), 2)).toBe(1);
      expect(await remember("1")).toBe(true);
    });
  });
}

it("a transaction of SQLite may not wait", () => {
  const repository = sqliteRepository(new DatabaseSync(":memory:"));
  expect(() => repository.transaction(async () => undefined)).toThrow("may not wait");
  expect(repository.transaction(() => 1)).toBe(1);
});

function context(id: string, more: Partial<EventContext> = {}): EventContext {
  return {
    name: "Shop.Ordered",
    event: {},
    id,
    consumer: "shipping.parcels",
    at: new Date(),
    subject: "events.v1.Shop.Ordered.a",
    attempt: 1,
    replayed: false,
    signal: new AbortController().signal,
    log: SILENT_LOG,
    client: undefined,
    deps: undefined,
    ...more,
  };
}
