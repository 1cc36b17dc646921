/**
 * The registry: every durable record of the control plane, as JSON under `<table>.<id>` in one JetStream bucket.
 * Reads come from memory (each replica follows the bucket); writes are optimistic transactions.
 */

/** Stream sequence: of a record, the write that made it; of a view, how far it has read. */
export type Revision = number;

export interface TableDefinition<T> {
  readonly name: string;
  /** Bumped when the shape of `T` changes; records carry the version they were written with. */
  readonly version: number;
  /** Reads a record of this or an older version; throws when it cannot. */
  readonly decode: (value: unknown, version: number) => T;
  /** Secondary indexes: name to the keys a record is filed under. */
  readonly indexes?: { readonly [index: string]: (record: T) => readonly string[] };
}

export interface Entry<T> {
  readonly id: string;
  readonly revision: Revision;
  readonly value: T;
}

/** The in-memory view of one table, current to `Registry.revision`. */
export interface Table<T> {
  readonly definition: TableDefinition<T>;
  readonly size: number;
  get(id: string): Entry<T> | undefined;
  by(index: string, key: string): readonly Entry<T>[];
  all(): IterableIterator<Entry<T>>;
}

/** Inside `transact`: reads record what they saw, writes are staged. Nothing is stored until the function returns. */
export interface Transaction {
  get<T>(table: Table<T>, id: string): T | undefined;
  by<T>(table: Table<T>, index: string, key: string): readonly Entry<T>[];
  put<T>(table: Table<T>, id: string, value: T, options?: { readonly ttlMs?: number }): void;
  delete<T>(table: Table<T>, id: string): void;
}

export interface RecordChange {
  readonly table: string;
  readonly id: string;
  readonly revision: Revision;
  readonly deleted: boolean;
}

export interface Registry {
  /** How far this replica's view has read. */
  readonly revision: Revision;
  table<T>(definition: TableDefinition<T>): Table<T>;
  /**
   * Runs `decide` against the view and commits what it staged, all or nothing; on conflict runs it again on the newer
   * view, a bounded number of times, then throws `RegistryBusyError`. Resolves after this replica's view has the commit.
   * `decide` is synchronous and pure apart from the transaction.
   */
  transact<R>(decide: (tx: Transaction) => R): Promise<{ readonly result: R; readonly revision: Revision }>;
  /** Called after the view has applied a commit (a batch is one call). */
  onChange(listener: (changes: readonly RecordChange[]) => void): () => void;
  /** Resolves when the view has reached `revision`. */
  reached(revision: Revision, options?: { readonly signal?: AbortSignal }): Promise<void>;
  close(): Promise<void>;
}
