import type { PreparedEvent } from "@trellis/client";
import { isPromiseLike } from "./is-promise-like.ts";
import { OUTBOX_LIMITS } from "./limits.ts";
import { OutboxFull } from "./repository.ts";
import type {
  Claim,
  HandledEvent,
  InboxRepository,
  OutboxRepository,
  OutboxStatus,
  ParkedEvent,
  StrangeEvents,
  WaitingEvent,
} from "./repository.ts";
import { column, parkedEvents, strangeEvents, waitingEvents } from "./rows.ts";
import { tableNames } from "./tables.ts";
import type { TableOptions } from "./tables.ts";
import { NOT_PUBLISHED } from "./tell-strangers.ts";

export type { TableOptions } from "./tables.ts";

type Value = string | number | null;

/** What we need of a database: `DatabaseSync` of node:sqlite fits, and so does better-sqlite3. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): {
    run(...values: Value[]): { readonly changes: number | bigint };
    get(...values: Value[]): unknown;
    all(...values: Value[]): unknown[];
  };
}

/**
 * Outbox and inbox in a SQLite database. Its two tables are made if they are not there.
 *
 * A transaction of SQLite belongs to the connection, not to whoever began it: it must end before anybody else's turn, so
 * what is done in one may not wait for anything.
 */
export function sqliteRepository<Db extends SqliteDatabase>(db: Db, options: TableOptions = {}): SqliteRepository<Db> {
  return new SqliteRepository(db, options);
}

export class SqliteRepository<Db extends SqliteDatabase> implements OutboxRepository, InboxRepository<Db> {
  readonly #db: Db;
  readonly #outbox: string;
  readonly #inbox: string;
  readonly #maxWaiting: number;
  readonly #wakers = new Set<() => void>();

  constructor(db: Db, options: TableOptions) {
    this.#db = db;
    const { outbox, inbox } = tableNames(options);
    this.#outbox = outbox;
    this.#inbox = inbox;
    this.#maxWaiting = options.maxWaiting ?? OUTBOX_LIMITS.maxWaiting;
    db.exec(sqliteTables(outbox, inbox));
  }

  /** Commits what `work` did, or undoes it when it throws. It may not be async. */
  transaction<T>(work: (tx: Db) => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work(this.#db);
      if (isPromiseLike(result)) {
        // Its outcome counts for nothing any more.
        result.then(undefined, () => undefined);
        throw new TypeError("A transaction of SQLite may not wait: give it a function that is not async.");
      }
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Adds events to a transaction of this database that is under way, on this connection or another one. */
  add(tx: SqliteDatabase, ...events: readonly PreparedEvent[]): void {
    this.#refuseWhenFull(tx, events.length);
    const insert = tx.prepare(`INSERT INTO ${this.#outbox} (id, name, lane, event, added_at) VALUES (?, ?, ?, ?, ?)`);
    const now = Date.now();
    for (const event of events) insert.run(event.id, event.name, event.subject, JSON.stringify(event), now);
    // The transaction is over when the next turn begins.
    setTimeout(() => {
      for (const wake of this.#wakers) wake();
    }, 0);
  }

  remember(tx: SqliteDatabase, { consumer, name, id }: HandledEvent): boolean {
    const insert = `INSERT INTO ${this.#inbox} (consumer, name, id, handled_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`;
    return Number(tx.prepare(insert).run(consumer, name, id, Date.now()).changes) === 1;
  }

  async forget(before: Date, limit: number): Promise<number> {
    const old = `SELECT rowid FROM ${this.#inbox} WHERE handled_at < ? ORDER BY handled_at LIMIT ?`;
    return this.#run(`DELETE FROM ${this.#inbox} WHERE rowid IN (${old})`, before.getTime(), limit);
  }

  watch(wake: () => void, signal: AbortSignal): void {
    this.#wakers.add(wake);
    signal.addEventListener("abort", () => this.#wakers.delete(wake), { once: true });
  }

  async claim({ holder, names, limit, leaseMs }: Claim): Promise<readonly WaitingEvent[]> {
    // Looking must not take the write lock from everybody every second.
    if (this.#db.prepare(`SELECT 1 FROM ${this.#outbox} WHERE parked IS NULL LIMIT 1`).get() === undefined) return [];
    const now = Date.now();
    const heldByOthers = `SELECT lane FROM ${this.#outbox} WHERE holder IS NOT NULL AND holder <> ? AND leased_until > ?`;
    const free = `SELECT place FROM ${this.#outbox} WHERE parked IS NULL AND name IN (SELECT value FROM json_each(?))
      AND lane NOT IN (${heldByOthers}) ORDER BY place LIMIT ?`;
    const claimed = this.#db
      .prepare(
        `UPDATE ${this.#outbox} SET holder = ?, leased_until = ? WHERE place IN (${free}) RETURNING place, lane, event`,
      )
      .all(holder, now + leaseMs, JSON.stringify(names), holder, now, limit);
    return waitingEvents(claimed);
  }

  async renew(holder: string, leaseMs: number): Promise<void> {
    this.#run(`UPDATE ${this.#outbox} SET leased_until = ? WHERE holder = ?`, Date.now() + leaseMs, holder);
  }

  async sent(events: readonly WaitingEvent[]): Promise<void> {
    const places = JSON.stringify(events.map(({ place }) => Number(place)));
    this.#run(`DELETE FROM ${this.#outbox} WHERE place IN (SELECT value FROM json_each(?))`, places);
  }

  async park({ place }: WaitingEvent, reason: string): Promise<void> {
    this.#run(`UPDATE ${this.#outbox} SET parked = ?, holder = NULL WHERE place = ?`, reason, Number(place));
  }

  async release(holder: string): Promise<void> {
    this.#run(`UPDATE ${this.#outbox} SET holder = NULL WHERE holder = ?`, holder);
  }

  async status(): Promise<OutboxStatus> {
    const row = this.#db
      .prepare(
        `SELECT count(*) - count(parked) AS waiting, count(parked) AS parked,
        min(added_at) FILTER (WHERE parked IS NULL) AS oldest FROM ${this.#outbox}`,
      )
      .get();
    const oldest = column(row, "oldest");
    return {
      waiting: Number(column(row, "waiting")),
      parked: Number(column(row, "parked")),
      oldestAt: oldest === null ? undefined : new Date(Number(oldest)),
    };
  }

  async strangers(names: readonly string[]): Promise<readonly StrangeEvents[]> {
    const others = `SELECT name, count(*) AS waiting, min(added_at) AS oldest FROM ${this.#outbox}
      WHERE parked IS NULL AND name NOT IN (SELECT value FROM json_each(?)) GROUP BY name ORDER BY name`;
    return this.#db
      .prepare(others)
      .all(JSON.stringify(names))
      .map((row) => strangeEvents(row, new Date(Number(column(row, "oldest")))));
  }

  async parkNamed(name: string): Promise<number> {
    const sql = `UPDATE ${this.#outbox} SET parked = ?, holder = NULL WHERE name = ? AND parked IS NULL`;
    return this.#run(sql, NOT_PUBLISHED, name);
  }

  async parked(limit = 100): Promise<readonly ParkedEvent[]> {
    const some = `SELECT event, parked FROM ${this.#outbox} WHERE parked IS NOT NULL ORDER BY place LIMIT ?`;
    return parkedEvents(this.#db.prepare(some).all(limit));
  }

  async retry(id: string): Promise<boolean> {
    return this.#run(`UPDATE ${this.#outbox} SET parked = NULL WHERE id = ? AND parked IS NOT NULL`, id) > 0;
  }

  async drop(id: string): Promise<boolean> {
    return this.#run(`DELETE FROM ${this.#outbox} WHERE id = ? AND parked IS NOT NULL`, id) > 0;
  }

  #run(sql: string, ...values: Value[]): number {
    return Number(this.#db.prepare(sql).run(...values).changes);
  }

  #refuseWhenFull(tx: SqliteDatabase, more: number): void {
    // The span of places is read from the index; only when it is large do we count.
    const span = tx.prepare(`SELECT coalesce(max(place) - min(place) + 1, 0) AS n FROM ${this.#outbox}`).get();
    if (Number(column(span, "n")) + more <= this.#maxWaiting) return;
    const waiting = Number(column(tx.prepare(`SELECT count(*) AS n FROM ${this.#outbox}`).get(), "n"));
    if (waiting + more > this.#maxWaiting) throw new OutboxFull(waiting, this.#maxWaiting);
  }
}

function sqliteTables(outbox: string, inbox: string): string {
  return `
    CREATE TABLE IF NOT EXISTS ${outbox} (
      place INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL,
      name TEXT NOT NULL,
      lane TEXT NOT NULL,
      event TEXT NOT NULL,
      added_at INTEGER NOT NULL,
      holder TEXT,
      leased_until INTEGER NOT NULL DEFAULT 0,
      parked TEXT
    );
    CREATE INDEX IF NOT EXISTS ${outbox}_held ON ${outbox} (holder) WHERE holder IS NOT NULL;
    CREATE TABLE IF NOT EXISTS ${inbox} (
      consumer TEXT NOT NULL,
      name TEXT NOT NULL,
      id TEXT NOT NULL,
      handled_at INTEGER NOT NULL,
      PRIMARY KEY (consumer, name, id)
    );
    CREATE INDEX IF NOT EXISTS ${inbox}_age ON ${inbox} (handled_at);
  `;
}
