import type { PreparedEvent } from "@trellis/client";
import { OUTBOX_LIMITS } from "./limits.ts";
import { listenForAdditions } from "./postgres-listen.ts";
import type { ClientOf, PostgresClient, PostgresPool, PostgresQueries } from "./postgres-port.ts";
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

export type { ClientOf, PostgresClient, PostgresPool, PostgresQueries } from "./postgres-port.ts";
export type { TableOptions } from "./tables.ts";

/**
 * Outbox and inbox in a PostgreSQL database, over a `Pool` of the package pg. One connection of the pool listens for
 * additions. The tables come to be with `createTables`, or with your migrations: `postgresTables` is their SQL.
 */
export function postgresRepository<Pool extends PostgresPool>(
  pool: Pool & PostgresPool<ClientOf<Pool>>,
  options: TableOptions = {},
): PostgresRepository<ClientOf<Pool>> {
  return new PostgresRepository(pool, options);
}

export class PostgresRepository<Client extends PostgresClient> implements OutboxRepository, InboxRepository<Client> {
  readonly #pool: PostgresPool<Client>;
  readonly #options: TableOptions;
  readonly #outbox: string;
  readonly #inbox: string;
  readonly #maxWaiting: number;
  readonly #wakers = new Set<() => void>();

  constructor(pool: PostgresPool<Client>, options: TableOptions) {
    this.#pool = pool;
    this.#options = options;
    const { outbox, inbox } = tableNames(options);
    this.#outbox = outbox;
    this.#inbox = inbox;
    this.#maxWaiting = options.maxWaiting ?? OUTBOX_LIMITS.maxWaiting;
  }

  /** Makes the two tables if they are not there; every replica may do it at the same time. */
  async createTables(): Promise<void> {
    await this.transaction(async (tx) => {
      await this.#lock(tx);
      await tx.query(postgresTables(this.#options));
    });
  }

  /** Commits what `work` did, or undoes it when it throws. */
  async transaction<T>(work: (tx: Client) => T | Promise<T>): Promise<T> {
    const result = await this.#inTransaction("BEGIN", work);
    for (const wake of this.#wakers) wake();
    return result;
  }

  /** Adds events to a transaction that is under way. Its commit wakes whoever publishes, in every replica. */
  async add(tx: PostgresQueries, ...events: readonly PreparedEvent[]): Promise<void> {
    await this.#refuseWhenFull(tx, events.length);
    const rows = "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])";
    await tx.query(`INSERT INTO ${this.#outbox} (id, name, lane, event) ${rows}`, [
      events.map(({ id }) => id),
      events.map(({ name }) => name),
      events.map(({ subject }) => subject),
      events.map((event) => JSON.stringify(event)),
    ]);
    await tx.query("SELECT pg_notify($1, '')", [this.#outbox]);
  }

  async remember(tx: PostgresQueries, { consumer, name, id }: HandledEvent): Promise<boolean> {
    const insert = `INSERT INTO ${this.#inbox} (consumer, name, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`;
    return (await tx.query(insert, [consumer, name, id])).rowCount === 1;
  }

  forget(before: Date, limit: number): Promise<number> {
    const old = `SELECT ctid FROM ${this.#inbox} WHERE handled_at < $1 LIMIT $2`;
    return this.#run(`DELETE FROM ${this.#inbox} WHERE ctid = ANY (ARRAY(${old}))`, [before, limit]);
  }

  watch(wake: () => void, signal: AbortSignal): void {
    this.#wakers.add(wake);
    signal.addEventListener("abort", () => this.#wakers.delete(wake), { once: true });
    void listenForAdditions(this.#pool, this.#outbox, wake, signal);
  }

  async claim({ holder, names, limit, leaseMs }: Claim): Promise<readonly WaitingEvent[]> {
    const some = await this.#pool.query(`SELECT 1 FROM ${this.#outbox} WHERE parked IS NULL LIMIT 1`);
    if (some.rows.length === 0) return [];
    return this.#inTransaction("BEGIN ISOLATION LEVEL READ COMMITTED", async (tx) => {
      // One after the other: skipping what another is just taking could take a later event of its lane.
      await this.#lock(tx);
      const heldByOthers = `SELECT lane FROM ${this.#outbox} WHERE holder IS NOT NULL AND holder <> $1 AND leased_until > now()`;
      const free = `SELECT place FROM ${this.#outbox} WHERE parked IS NULL AND name = ANY ($2)
        AND lane NOT IN (${heldByOthers}) ORDER BY place LIMIT $3`;
      const claimed = await tx.query(
        `UPDATE ${this.#outbox} SET holder = $1, leased_until = now() + $4 * interval '1 millisecond'
          WHERE place IN (${free}) RETURNING place, lane, event`,
        [holder, names, limit, leaseMs],
      );
      return waitingEvents(claimed.rows);
    });
  }

  async renew(holder: string, leaseMs: number): Promise<void> {
    const later = `UPDATE ${this.#outbox} SET leased_until = now() + $2 * interval '1 millisecond' WHERE holder = $1`;
    await this.#run(later, [holder, leaseMs]);
  }

  async sent(events: readonly WaitingEvent[]): Promise<void> {
    await this.#run(`DELETE FROM ${this.#outbox} WHERE place = ANY ($1)`, [events.map(({ place }) => place)]);
  }

  async park({ place }: WaitingEvent, reason: string): Promise<void> {
    await this.#run(`UPDATE ${this.#outbox} SET parked = $1, holder = NULL WHERE place = $2`, [reason, place]);
  }

  async release(holder: string): Promise<void> {
    await this.#run(`UPDATE ${this.#outbox} SET holder = NULL WHERE holder = $1`, [holder]);
  }

  async status(): Promise<OutboxStatus> {
    const { rows } = await this.#pool.query(
      `SELECT count(*) - count(parked) AS waiting, count(parked) AS parked,
        min(added_at) FILTER (WHERE parked IS NULL) AS oldest FROM ${this.#outbox}`,
    );
    const oldest = column(rows[0], "oldest");
    return {
      waiting: Number(column(rows[0], "waiting")),
      parked: Number(column(rows[0], "parked")),
      oldestAt: oldest instanceof Date ? oldest : undefined,
    };
  }

  async strangers(names: readonly string[]): Promise<readonly StrangeEvents[]> {
    const others = `SELECT name, count(*) AS waiting, min(added_at) AS oldest FROM ${this.#outbox}
      WHERE parked IS NULL AND name <> ALL ($1) GROUP BY name ORDER BY name`;
    const { rows } = await this.#pool.query(others, [names]);
    return rows.map((row) => {
      const oldest = column(row, "oldest");
      return strangeEvents(row, oldest instanceof Date ? oldest : new Date());
    });
  }

  parkNamed(name: string): Promise<number> {
    const sql = `UPDATE ${this.#outbox} SET parked = $1, holder = NULL WHERE name = $2 AND parked IS NULL`;
    return this.#run(sql, [NOT_PUBLISHED, name]);
  }

  async parked(limit = 100): Promise<readonly ParkedEvent[]> {
    const some = `SELECT event, parked FROM ${this.#outbox} WHERE parked IS NOT NULL ORDER BY place LIMIT $1`;
    return parkedEvents((await this.#pool.query(some, [limit])).rows);
  }

  async retry(id: string): Promise<boolean> {
    return (await this.#run(`UPDATE ${this.#outbox} SET parked = NULL WHERE id = $1 AND parked IS NOT NULL`, [id])) > 0;
  }

  async drop(id: string): Promise<boolean> {
    return (await this.#run(`DELETE FROM ${this.#outbox} WHERE id = $1 AND parked IS NOT NULL`, [id])) > 0;
  }

  async #inTransaction<T>(begin: string, work: (tx: Client) => T | Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    // A connection that dies says so; whatever is being asked on it fails as well.
    const ignore = (): void => undefined;
    client.on("error", ignore);
    let broken = true;
    try {
      await client.query(begin);
      const result = await work(client);
      await client.query("COMMIT");
      broken = false;
      return result;
    } catch (error) {
      broken = await client.query("ROLLBACK").then(
        () => false,
        () => true,
      );
      throw error;
    } finally {
      client.removeListener("error", ignore);
      // One that may still be in a transaction must not come back to the pool.
      client.release(broken);
    }
  }

  async #run(sql: string, values: unknown[]): Promise<number> {
    return (await this.#pool.query(sql, values)).rowCount ?? 0;
  }

  /** Until the end of the transaction, for everybody who uses the same tables. */
  async #lock(tx: PostgresQueries): Promise<void> {
    await tx.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [this.#outbox]);
  }

  async #refuseWhenFull(tx: PostgresQueries, more: number): Promise<void> {
    // The span of places is read from the index; only when it is large do we count.
    const span = await tx.query(`SELECT coalesce(max(place) - min(place) + 1, 0) AS n FROM ${this.#outbox}`);
    if (Number(column(span.rows[0], "n")) + more <= this.#maxWaiting) return;
    const counted = await tx.query(`SELECT count(*) AS n FROM ${this.#outbox}`);
    const waiting = Number(column(counted.rows[0], "n"));
    if (waiting + more > this.#maxWaiting) throw new OutboxFull(waiting, this.#maxWaiting);
  }
}

/** The SQL that makes the tables, for those whose migrations do it. */
export function postgresTables(options: TableOptions = {}): string {
  const { outbox, inbox } = tableNames(options);
  return `
    CREATE TABLE IF NOT EXISTS ${outbox} (
      place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      id text NOT NULL,
      name text NOT NULL,
      lane text NOT NULL,
      event text NOT NULL,
      added_at timestamptz NOT NULL DEFAULT now(),
      holder text,
      leased_until timestamptz,
      parked text
    );
    CREATE INDEX IF NOT EXISTS ${outbox}_held ON ${outbox} (holder) WHERE holder IS NOT NULL;
    CREATE TABLE IF NOT EXISTS ${inbox} (
      consumer text NOT NULL,
      name text NOT NULL,
      id text NOT NULL,
      handled_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (consumer, name, id)
    );
    CREATE INDEX IF NOT EXISTS ${inbox}_age ON ${inbox} (handled_at);
  `;
}
