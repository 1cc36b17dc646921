import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import type { Log } from "../log.ts";
import { decodeConnectionName } from "./connection-name.ts";
import type { Connections, LiveConnection } from "./connections.ts";

export interface ServerEventsOptions {
  /** Connection to the SYS account. */
  readonly nc: NatsConnection;
  /** Id of the account the participants are in. */
  readonly account: string;
  readonly connections: Connections;
  readonly log: Log;
  readonly sweepMs?: number;
}

const SWEEP_MS = 15_000;
/** Connections listed by one answer of one server. */
const PAGE = 1_024;
/** Servers answer a listing within milliseconds; one that has not after this does not answer. */
const ANSWER_MS = 1_000;
/** Sweeps a server may leave unanswered before its connections count as gone: it was killed and could tell nobody. */
const MISSED_SWEEPS = 2;

interface ServerAnswer {
  readonly serverId: string;
  readonly total: number;
  readonly connections: readonly LiveConnection[];
}

type Fields = { readonly [member: string]: unknown };

/**
 * Keeps the list of connections true: events as they happen, and a sweep that finds what events missed (a server that
 * was killed, a subscription that was not there yet).
 */
export class ServerEvents {
  readonly #options: ServerEventsOptions;
  readonly #subscriptions: readonly Subscription[];
  readonly #missed = new Map<string, number>();
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #sweepNow: (() => void) | undefined;

  constructor(options: ServerEventsOptions) {
    this.#options = options;
    const { nc, account } = options;
    const hear = (subject: string, take: (event: Fields) => void): Subscription =>
      nc.subscribe(subject, {
        callback: (error, message) => {
          if (error) options.log.error("server events cannot be heard", { subject, error: error.message });
          else take(parse(message));
        },
      });
    this.#subscriptions = [
      hear(`$SYS.ACCOUNT.${account}.CONNECT`, (event) => this.#opened(event)),
      hear(`$SYS.ACCOUNT.${account}.DISCONNECT`, (event) => this.#closed(event)),
      hear("$SYS.SERVER.*.SHUTDOWN", () => this.#sweepNow?.()),
    ];
    this.#running = this.#run();
  }

  /** Lists every connection of every server now. */
  async sweep(): Promise<void> {
    const { connections } = this.#options;
    const startedAt = Date.now();
    const listed = new Set<string>();
    const answered = new Set<string>();
    for (let offset = 0; ; offset += PAGE) {
      const answers = await this.#list(offset);
      for (const answer of answers) {
        answered.add(answer.serverId);
        for (const connection of answer.connections) {
          listed.add(connection.id);
          connections.add(connection);
        }
      }
      if (answers.every(({ total }) => total <= offset + PAGE)) break;
    }
    if (answered.size === 0) return;
    for (const serverId of answered) this.#missed.delete(serverId);
    const silent = new Set<string>();
    for (const connection of connections.all()) {
      const { serverId, id, openedAt } = connection;
      if (answered.has(serverId)) {
        if (!listed.has(id) && openedAt < startedAt - 1_000) connections.remove(id, "gone without a word", Date.now());
      } else silent.add(serverId);
    }
    for (const serverId of silent) {
      const missed = (this.#missed.get(serverId) ?? 0) + 1;
      this.#missed.set(serverId, missed);
      if (missed < MISSED_SWEEPS) continue;
      this.#missed.delete(serverId);
      for (const connection of connections.all())
        if (connection.serverId === serverId) connections.remove(connection.id, "its server is gone", Date.now());
    }
  }

  /** Ends one connection; `false` when it is gone already. */
  async kick(connection: Pick<LiveConnection, "serverId" | "cid">): Promise<boolean> {
    const { serverId, cid } = connection;
    const answer = await this.#options.nc.request(`$SYS.REQ.SERVER.${serverId}.KICK`, JSON.stringify({ cid }), {
      timeout: 2_000,
    });
    return parse(answer)["error"] === undefined;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#sweepNow?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.sweep();
      } catch (error) {
        if (!signal.aborted)
          this.#options.log.warn("connections could not be listed", {
            error: error instanceof Error ? error.message : String(error),
          });
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#options.sweepMs ?? SWEEP_MS);
        this.#sweepNow = () => {
          clearTimeout(timer);
          resolve();
        };
        if (signal.aborted) this.#sweepNow();
      });
    }
  }

  /** One page of each server. */
  async #list(offset: number): Promise<readonly ServerAnswer[]> {
    const { nc, account } = this.#options;
    const body = JSON.stringify({ auth: true, limit: PAGE, offset });
    const answers: ServerAnswer[] = [];
    const messages = await nc.requestMany(`$SYS.REQ.ACCOUNT.${account}.CONNZ`, body, {
      strategy: "stall",
      stall: 300,
      maxWait: ANSWER_MS,
    });
    for await (const message of messages) {
      const answer = readListing(parse(message));
      if (answer) answers.push(answer);
    }
    return answers;
  }

  #opened(event: Fields): void {
    const server = fields(event["server"]);
    const client = fields(event["client"]);
    const connection = readConnection(server, { ...client, cid: client["id"], authorized_user: client["user"] });
    if (connection) this.#options.connections.add(connection);
  }

  #closed(event: Fields): void {
    const serverId = fields(event["server"])["id"];
    const client = fields(event["client"]);
    const at = Date.parse(String(client["stop"]));
    if (typeof serverId !== "string" || typeof client["id"] !== "number") return;
    this.#options.connections.remove(
      `${serverId}.${client["id"]}`,
      typeof event["reason"] === "string" ? event["reason"] : "closed",
      Number.isNaN(at) ? Date.now() : at,
    );
  }
}

function readListing(answer: Fields): ServerAnswer | undefined {
  const server = fields(answer["server"]);
  const data = fields(answer["data"]);
  const { connections, total } = data;
  if (typeof server["id"] !== "string") return undefined;
  const listed = Array.isArray(connections) ? connections : [];
  return {
    serverId: server["id"],
    total: typeof total === "number" ? total : 0,
    connections: listed.flatMap((item: unknown) => readConnection(server, fields(item)) ?? []),
  };
}

function readConnection(server: Fields, client: Fields): LiveConnection | undefined {
  const { cid, authorized_user: user, start, lang, version, ver, ip, host, name: label } = client;
  const name = decodeConnectionName(typeof user === "string" ? user : undefined);
  if (!name || typeof server["id"] !== "string" || typeof cid !== "number") return undefined;
  const openedAt = Date.parse(String(start));
  const address = ip ?? host;
  const program = [label, lang, version ?? ver].filter((part) => typeof part === "string" && part !== "").join(" ");
  return {
    id: `${server["id"]}.${cid}`,
    serverId: server["id"],
    serverName: typeof server["name"] === "string" ? server["name"] : server["id"],
    cid,
    name,
    client: `${program} from ${typeof address === "string" ? address : "an unknown host"}`.trim().slice(0, 200),
    openedAt: Number.isNaN(openedAt) ? Date.now() : openedAt,
  };
}

function parse(message: Msg): Fields {
  try {
    return fields(message.json());
  } catch {
    return {};
  }
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
