/** What the tables of a repository are called. */
export interface TableOptions {
  /** Begins the name of both tables; services that share a database need different ones. Default `trellis_`. */
  readonly prefix?: string;
  /** Events that may wait; beyond it `add` throws `OutboxFull`. Default 100 000. */
  readonly maxWaiting?: number;
}

const PREFIX = /^[a-z][a-z0-9_]{0,30}$/;

export function tableNames({ prefix = "trellis_" }: TableOptions): { readonly outbox: string; readonly inbox: string } {
  if (!PREFIX.test(prefix))
    throw new TypeError(`"${prefix}" cannot begin the name of a table: use small letters, digits and _, 31 at most.`);
  return { outbox: `${prefix}outbox`, inbox: `${prefix}inbox` };
}
