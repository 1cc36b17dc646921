import type { Liveness, LiveParticipant } from "../catalog/liveness.ts";
import type { ConnectionName } from "./connection-name.ts";

/** One connection of a participant, as NATS tells it. */
export interface LiveConnection {
  /** `<server id>.<cid>`: what a kick needs, and unique for ever. */
  readonly id: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly cid: number;
  readonly name: ConnectionName;
  /** What the client says of itself. */
  readonly client: string;
  readonly openedAt: number;
}

/** The connection in the words of `trellis.auth@v1`. */
export interface ConnectionDescription {
  readonly id: string;
  readonly sessionKey: string;
  readonly principal: string;
  readonly contractDigest: string;
  readonly server: string;
  readonly client: string;
  readonly permissionRevision: number;
  readonly openedAt: string;
}

export interface ConnectionListener {
  readonly opened?: (connection: LiveConnection) => void;
  readonly closed?: (connection: LiveConnection, reason: string, at: number) => void;
}

/** A late event or listing must not bring a closed connection back, and whoever lost one is back in less. */
const REMEMBER_CLOSED_MS = 120_000;

/** Who is connected, on every server. */
export class Connections implements Liveness {
  readonly #byId = new Map<string, LiveConnection>();
  readonly #bySession = new Map<string, Set<LiveConnection>>();
  readonly #byPrincipal = new Map<string, Set<LiveConnection>>();
  /** Ids of closed connections. */
  readonly #closed = new Map<string, number>();
  /** What closed connections worked at. */
  readonly #left = new Map<string, number>();
  readonly #listeners = new Set<ConnectionListener>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): LiveConnection | undefined {
    return this.#byId.get(id);
  }

  all(): readonly LiveConnection[] {
    return [...this.#byId.values()];
  }

  ofSession(sessionKey: string): readonly LiveConnection[] {
    return [...(this.#bySession.get(sessionKey) ?? [])];
  }

  /** By principal id: a user's, or a deployment's name. */
  ofPrincipal(principalId: string): readonly LiveConnection[] {
    return [...(this.#byPrincipal.get(principalId) ?? [])];
  }

  /** Contract digest of the newest connection of a session. */
  digestOf(sessionKey: string): string | undefined {
    let newest: LiveConnection | undefined;
    for (const connection of this.#bySession.get(sessionKey) ?? []) {
      if (!newest || connection.openedAt >= newest.openedAt) newest = connection;
    }
    return newest?.name.digest;
  }

  replicas(deployment: string, digest?: string): number {
    const sessions = new Set<string>();
    for (const { name } of this.#byPrincipal.get(deployment) ?? []) {
      if (name.type === "service" && (digest === undefined || name.digest === digest)) sessions.add(name.sessionKey);
    }
    return sessions.size;
  }

  connected(sessionKey: string): boolean {
    return this.#bySession.has(sessionKey);
  }

  works(sessionKey: string, digest: string): boolean {
    for (const { name } of this.#bySession.get(sessionKey) ?? []) if (name.digest === digest) return true;
    return false;
  }

  hasBegun(sessionKey: string, digest: string): boolean {
    if (this.works(sessionKey, digest)) return true;
    const leftAt = this.#left.get(work(sessionKey, digest));
    return leftAt !== undefined && performance.now() - leftAt < REMEMBER_CLOSED_MS;
  }

  *participants(): Iterable<LiveParticipant> {
    for (const sessionKey of this.#bySession.keys()) {
      const digests = new Set<string>();
      for (const { name } of this.#bySession.get(sessionKey) ?? []) {
        if (digests.has(name.digest)) continue;
        digests.add(name.digest);
        const { principalName, principalId, type, digest } = name;
        yield {
          sessionKey,
          name: principalName,
          contractDigest: digest,
          ...(type === "service" ? { deployment: principalId } : {}),
        };
      }
    }
  }

  onChange(listener: ConnectionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes a connection in; `false` when it is known or has been closed already. */
  add(connection: LiveConnection): boolean {
    if (this.#byId.has(connection.id) || this.#closed.has(connection.id)) return false;
    this.#byId.set(connection.id, connection);
    file(this.#bySession, connection.name.sessionKey, connection);
    file(this.#byPrincipal, connection.name.principalId, connection);
    for (const { opened } of this.#listeners) opened?.(connection);
    return true;
  }

  remove(id: string, reason: string, at: number): void {
    remember(this.#closed, id);
    const connection = this.#byId.get(id);
    if (!connection) return;
    remember(this.#left, work(connection.name.sessionKey, connection.name.digest));
    this.#byId.delete(id);
    unfile(this.#bySession, connection.name.sessionKey, connection);
    unfile(this.#byPrincipal, connection.name.principalId, connection);
    for (const { closed } of this.#listeners) closed?.(connection, reason, at);
  }
}

export function describeConnection(connection: LiveConnection): ConnectionDescription {
  const { id, name, serverName, client, openedAt } = connection;
  return {
    id,
    sessionKey: name.sessionKey,
    principal: `${name.type}:${name.principalName}`,
    contractDigest: name.digest,
    server: serverName,
    client,
    permissionRevision: name.revision,
    openedAt: new Date(openedAt).toISOString(),
  };
}

function file(index: Map<string, Set<LiveConnection>>, key: string, connection: LiveConnection): void {
  const filed = index.get(key);
  if (filed) filed.add(connection);
  else index.set(key, new Set([connection]));
}

function unfile(index: Map<string, Set<LiveConnection>>, key: string, connection: LiveConnection): void {
  const filed = index.get(key);
  filed?.delete(connection);
  if (filed?.size === 0) index.delete(key);
}

function work(sessionKey: string, digest: string): string {
  return `${sessionKey} ${digest}`;
}

/** Keeps the time of something, newest last, and lets go of what is too old. */
function remember(times: Map<string, number>, key: string): void {
  const now = performance.now();
  times.delete(key);
  times.set(key, now);
  for (const [old, at] of times) {
    if (now - at < REMEMBER_CLOSED_MS) break;
    times.delete(old);
  }
}
