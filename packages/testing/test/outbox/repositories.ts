import { DatabaseSync } from "node:sqlite";
import type { PreparedEvent } from "@trellis/client";
import { createInbox } from "@trellis/outbox";
import type { InboxRepository, OutboxRepository } from "@trellis/outbox";
import { type EventfulValue, kvRepository } from "@trellis/outbox/kv";
import { postgresRepository } from "@trellis/outbox/postgres";
import { sqliteRepository } from "@trellis/outbox/sqlite";
import { type EventContext, type Kv, SILENT_LOG } from "@trellis/server";
import { Pool } from "pg";
import { hasPostgres, startPostgres } from "../../../../scripts/peers/postgres.ts";
import { startPlatform } from "../../src/index.ts";
import { jotter } from "./contracts.ts";

/** A place for events beside the data of a service, whatever keeps it. */
export interface Place {
  readonly repository: OutboxRepository;
  /** What it holds at most: of all events, or of those of one key. */
  readonly maxWaiting: number;
  add(...events: readonly PreparedEvent[]): Promise<void>;
  /** Adds and then fails. */
  addAndFail(event: PreparedEvent): Promise<void>;
  /** Writes a line as the effect of an event, once; `then` may still throw. */
  once(context: EventContext, line: string, then?: () => void): Promise<unknown>;
  written(): Promise<readonly string[]>;
  /** The same, as another replica has it. */
  again(): Place;
}

/** A place in a database, whose transactions are shared with the inbox. */
export interface SqlPlace extends Place {
  readonly repository: OutboxRepository & InboxRepository<unknown>;
  /** What a handler does: writes a line through its transaction. */
  write(tx: unknown, text: string): void | Promise<void>;
  again(): SqlPlace;
}

export const failure = new Error("undo this");
/** What a replica of a bucket waits before it publishes what another added. */
const TAKE_OVER_MS = 300;

let prefix = 0;

export function openSqlite(maxWaiting = 1_000): SqlPlace {
  return sqlitePlace(new DatabaseSync(":memory:"), `t${++prefix}_`, maxWaiting);
}

function sqlitePlace(db: DatabaseSync, name: string, maxWaiting: number): SqlPlace {
  const repository = sqliteRepository(db, { prefix: name, maxWaiting });
  db.exec(`CREATE TABLE IF NOT EXISTS ${name}lines (text TEXT)`);
  const write = (_: unknown, text: string): void => void db.prepare(`INSERT INTO ${name}lines VALUES (?)`).run(text);
  const inbox = createInbox(repository);
  return {
    repository,
    maxWaiting,
    write,
    add: async (...events) => repository.transaction((tx) => repository.add(tx, ...events)),
    addAndFail: async (event) =>
      repository.transaction((tx) => {
        repository.add(tx, event);
        throw failure;
      }),
    once: (context, line, then) =>
      inbox.once((_, tx) => {
        write(tx, line);
        then?.();
      })(context),
    written: async () =>
      db
        .prepare(`SELECT text FROM ${name}lines`)
        .all()
        .map((row) => String(row["text"])),
    again: () => sqlitePlace(db, name, maxWaiting),
  };
}

/** A server with nothing in it; `undefined` where there is none. */
export async function startDatabase(): Promise<
  ({ readonly pool: Pool; readonly url: string } & AsyncDisposable) | undefined
> {
  if (!hasPostgres()) return undefined;
  const cluster = await startPostgres({ settings: { fsync: "off" } });
  const pool = new Pool({ connectionString: cluster.url });
  // The server may be gone before its last connections are.
  pool.on("error", () => undefined);
  return {
    pool,
    url: cluster.url,
    async [Symbol.asyncDispose]() {
      await pool.end();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

export async function openPostgres(pool: Pool | undefined, maxWaiting = 1_000): Promise<SqlPlace> {
  if (pool === undefined) throw new Error("there is no PostgreSQL");
  const name = `t${++prefix}_`;
  await Promise.all([1, 2, 3].map(() => postgresRepository(pool, { prefix: name }).createTables()));
  await pool.query(`CREATE TABLE ${name}lines (text text)`);
  return postgresPlace(pool, name, maxWaiting);
}

function postgresPlace(pool: Pool, name: string, maxWaiting: number): SqlPlace {
  const repository = postgresRepository(pool, { prefix: name, maxWaiting });
  const write = async (tx: unknown, text: string): Promise<void> =>
    void (await clientOf(tx).query(`INSERT INTO ${name}lines VALUES ($1)`, [text]));
  const inbox = createInbox(repository);
  return {
    repository,
    maxWaiting,
    write,
    add: (...events) => repository.transaction((tx) => repository.add(tx, ...events)),
    addAndFail: (event) =>
      repository.transaction(async (tx) => {
        await repository.add(tx, event);
        throw failure;
      }),
    once: (context, line, then) =>
      inbox.once(async (_, tx) => {
        await write(tx, line);
        then?.();
      })(context),
    async written() {
      return (await pool.query<{ text: string }>(`SELECT text FROM ${name}lines`)).rows.map(({ text }) => text);
    },
    again: () => postgresPlace(pool, name, maxWaiting),
  };
}

function clientOf(tx: unknown): { query(text: string, values: unknown[]): Promise<unknown> } {
  if (typeof tx === "object" && tx !== null && "query" in tx && typeof tx.query === "function") {
    const query = tx.query.bind(tx);
    return { query: (text, values) => query(text, values) };
  }
  throw new TypeError("not a client");
}

type Page = EventfulValue & { readonly lines: readonly string[] };

/** A bucket of a service on a platform of its own. */
export async function startBucket(): Promise<{ open(): Promise<Place> } & AsyncDisposable> {
  const platform = await startPlatform();
  const service = await platform.connectService(jotter, { log: SILENT_LOG });
  await service.start();
  const { pages } = service.kv;
  return {
    async open() {
      for (const { key } of await pages.entries().orThrow()) await pages.delete(key).orThrow();
      return bucketPlace(pages);
    },
    [Symbol.asyncDispose]: () => platform.stop(),
  };
}

function bucketPlace(kv: Kv<Page>): Place {
  const repository = kvRepository(kv, { takeOverMs: TAKE_OVER_MS });
  const page = (value: Page | undefined): Page => value ?? { lines: [] };
  return {
    repository,
    maxWaiting: 100,
    async add(...events) {
      for (const event of events)
        await repository.change(laneOf(event), (value, add) => {
          add(event);
          return page(value);
        });
    },
    addAndFail: (event) =>
      repository.change(laneOf(event), (_, add) => {
        add(event);
        throw failure;
      }),
    once: (context, line, then) =>
      repository.once(context, "lines", (value) => {
        const { lines, ...rest } = page(value);
        then?.();
        return { ...rest, lines: [...lines, line] };
      }),
    written: async () => (await kv.get("lines", { fresh: true }).orThrow())?.value.lines ?? [],
    again: () => bucketPlace(kv),
  };
}

/** The last token of its subject. */
function laneOf({ subject }: PreparedEvent): string {
  return subject.split(".").at(-1) ?? "";
}

/** An event that is added; a lane is one subject, or one key. */
export const event = (id: string, lane = "a", name = "Shop.Ordered"): PreparedEvent => ({
  name,
  id,
  subject: `events.v1.${name}.${lane}`,
  body: `{"id":"${id}","text":"\\"ä€😀"}`,
  headers: { "trellis-time": "2026-01-01T00:00:00.000Z" },
});

export const claim = (holder: string, limit = 100, leaseMs = 60_000) => ({
  holder,
  limit,
  leaseMs,
  names: ["Shop.Ordered"],
});

export const ids = (events: readonly { readonly event: PreparedEvent }[]): readonly string[] =>
  events.map((each) => each.event.id);

export function context(id: string, more: Partial<EventContext> = {}): EventContext {
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
