/** What runs a query: a `Pool`, or a client of it that is in a transaction. */
export interface PostgresQueries {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[]; readonly rowCount: number | null }>;
}

/** One connection of a pool. */
export interface PostgresClient extends PostgresQueries {
  on(event: "notification" | "end", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: () => void): unknown;
  /** Back to the pool; `true` closes the connection. */
  release(destroy?: boolean): void;
}

/** What we need of a database: a `Pool` of the package pg fits. */
export interface PostgresPool<Client extends PostgresClient = PostgresClient> extends PostgresQueries {
  connect(): Promise<Client>;
}

/** The connections of a pool as their driver types them. */
export type ClientOf<Pool> = Pool extends {
  connect: { (): Promise<infer Client extends PostgresClient>; (callback: never): void };
}
  ? Client
  : PostgresClient;
