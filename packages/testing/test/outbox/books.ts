import { DatabaseSync } from "node:sqlite";
import type { PreparedEvent } from "@trellis/client";
import { createInbox } from "@trellis/outbox";
import type { OutboxRepository } from "@trellis/outbox";
import { kvRepository } from "@trellis/outbox/kv";
import type { EventfulValue } from "@trellis/outbox/kv";
import { postgresRepository } from "@trellis/outbox/postgres";
import { sqliteRepository } from "@trellis/outbox/sqlite";
import type { EventContext, EventOutcome, Kv } from "@trellis/server";
import { Pool } from "pg";

export type BooksKind = "sqlite" | "postgres" | "kv";
type Book = EventfulValue & { readonly n: number };

/** The same business over three kinds of storage: orders by key, numbered from 0, and a count of events by key. */
export interface Books {
  readonly repository: OutboxRepository;
  /** Writes the next order of a key together with its event. */
  order(key: string, prepare: (n: number) => PreparedEvent): Promise<void>;
  /** Counts an event of a key, once. */
  readonly count: (context: EventContext<string, { readonly key: string }>) => Promise<EventOutcome>;
  /** Orders, or events, by key. */
  totals(): Promise<{ readonly [key: string]: number }>;
}

const PAUSE_MS = 5;
const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

export async function openBooks(kind: BooksKind, where: string, kv: Kv<Book>): Promise<Books> {
  if (kind === "kv") return kvBooks(kv);
  return kind === "sqlite" ? sqliteBooks(where) : postgresBooks(where);
}

function sqliteBooks(path: string): Books {
  const db = new DatabaseSync(path, { timeout: 20_000 });
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("CREATE TABLE IF NOT EXISTS books (key TEXT PRIMARY KEY, n INTEGER NOT NULL)");
  const repository = sqliteRepository(db);
  const next = db.prepare(
    "INSERT INTO books VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET n = n + 1 RETURNING n - 1 AS n",
  );
  const once = createInbox(repository).once((context: EventContext<string, { readonly key: string }>) => {
    next.get(context.event.key);
  });
  return {
    repository,
    order: async (key, prepare) =>
      repository.transaction((tx) => {
        const n = Number(next.get(key)?.["n"]);
        repository.add(tx, prepare(n));
      }),
    async count(context) {
      const outcome = await once(context);
      // Committed and not acknowledged yet: where a kill would make it happen again.
      await pause();
      return outcome;
    },
    totals: async () =>
      Object.fromEntries(
        db
          .prepare("SELECT key, n FROM books")
          .all()
          .map((row) => [String(row["key"]), Number(row["n"])]),
      ),
  };
}

async function postgresBooks(url: string): Promise<Books> {
  const pool = new Pool({ connectionString: url });
  pool.on("error", () => undefined);
  const repository = postgresRepository(pool);
  await repository.createTables();
  const next = "INSERT INTO books VALUES ($1, 1) ON CONFLICT (key) DO UPDATE SET n = books.n + 1 RETURNING n - 1 AS n";
  const inbox = createInbox(repository);
  return {
    repository,
    order: (key, prepare) =>
      repository.transaction(async (tx) => {
        const { rows } = await tx.query<{ n: number }>(next, [key]);
        await repository.add(tx, prepare(rows[0]?.n ?? 0));
      }),
    count: inbox.once(async ({ event }: EventContext<string, { readonly key: string }>, tx) => {
      await tx.query(next, [event.key]);
      await pause();
    }),
    async totals() {
      const { rows } = await pool.query<{ key: string; n: number }>("SELECT key, n FROM books");
      return Object.fromEntries(rows.map(({ key, n }) => [key, n]));
    },
  };
}

function kvBooks(kv: Kv<Book>): Books {
  const repository = kvRepository(kv, { takeOverMs: 1_000 });
  return {
    repository,
    order: (key, prepare) =>
      repository.change(key, (book, add) => {
        const n = book?.n ?? 0;
        add(prepare(n));
        return { ...book, n: n + 1 };
      }),
    async count(context) {
      await repository.once(context, context.event.key, (book) => ({ ...book, n: (book?.n ?? 0) + 1 }));
      await pause();
    },
    async totals() {
      const entries = await kv.entries().orThrow();
      return Object.fromEntries(entries.map(({ key, value }) => [key, value.n]));
    },
  };
}
