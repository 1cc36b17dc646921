import type { NatsConnection } from "@nats-io/nats-core";
import type { AgentSession, AgentSessions } from "../identity/agent-sessions.ts";
import type { Log } from "../log.ts";
import { ensureStream, headersOf, isConflict, publishStored, storedMessage } from "../registry/jetstream-api.ts";
import type { WantedStream } from "../registry/jetstream-api.ts";
import { latestOnlyStream } from "../registry/latest-only-stream.ts";
import { encodeToken } from "../registry/record-subject.ts";

/** Sessions of users have a stream of their own: there may be millions, and each ends by itself. */
export const SESSIONS_STREAM = "SESSIONS";

export interface SessionStoreOptions {
  readonly nc: NatsConnection;
  readonly replicas: 1 | 3;
  /** A session unused for this long ends. */
  readonly idleMs: number;
  readonly log: Log;
  /** Sessions remembered by this replica. */
  readonly maxCached?: number;
  /** A remembered session is read again after this; what ends one early is in the registry, which is always current. */
  readonly cacheMs?: number;
  readonly now?: () => number;
}

/** Agent sessions with what administrating and keeping them alive takes. */
export interface SessionStore extends AgentSessions {
  /** Reads past the cache. */
  getFresh(sessionKey: string): Promise<AgentSession | undefined>;
  /** Says that a session is in use, which keeps it alive; costs nothing most of the time and never fails. */
  touch(session: AgentSession): void;
  remove(sessionKey: string): Promise<void>;
  /** Sessions in the order they were written; those of one user when given. */
  list(options: { readonly userId?: string; readonly cursor?: string; readonly limit: number }): Promise<{
    readonly sessions: readonly AgentSession[];
    readonly nextCursor?: string;
  }>;
}

const MAX_CACHED = 20_000;
const CACHE_MS = 30_000;
/** A session is written again after this part of its idle time at most, so that using it costs no write each time. */
const TOUCH_PART = 20;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Cached {
  readonly session: AgentSession;
  readonly sequence: number;
  readonly readAt: number;
}

export function sessionsStream(replicas: 1 | 3): WantedStream {
  const about = { name: SESSIONS_STREAM, description: "Sessions of users and their agents", subjects: ["session.>"] };
  return latestOnlyStream(about, replicas);
}

/** Subject `session.<key>.<user>`: by key without knowing the user, and all of one user, both by the server's index. */
export async function openSessionStore(options: SessionStoreOptions): Promise<SessionStore> {
  const { nc, replicas, idleMs, log, maxCached = MAX_CACHED, cacheMs = CACHE_MS, now = Date.now } = options;
  await ensureStream(nc, sessionsStream(replicas));
  const cache = new Map<string, Cached>();
  const touching = new Set<string>();

  const remember = (session: AgentSession, sequence: number): void => {
    cache.delete(session.sessionKey);
    cache.set(session.sessionKey, { session, sequence, readAt: performance.now() });
    const oldest = cache.size > maxCached ? cache.keys().next().value : undefined;
    if (oldest !== undefined) cache.delete(oldest);
  };

  const write = async (session: AgentSession, expected?: number): Promise<void> => {
    const ack = await publishStored(nc, subjectOf(session), encoder.encode(JSON.stringify(session)), {
      headers: headersOf({
        "Nats-TTL": `${Math.max(1, Math.ceil(idleMs / 1_000))}s`,
        "Nats-Expected-Last-Subject-Sequence": expected === undefined ? undefined : String(expected),
      }),
    });
    remember(session, ack.seq);
  };

  /** From the leader: a session another replica has just stored must be found. */
  const read = async (sessionKey: string): Promise<Cached | undefined> => {
    cache.delete(sessionKey);
    const message = await storedMessage(nc, SESSIONS_STREAM, { last_by_subj: `session.${sessionKey}.*` });
    const session = message && parseSession(message.data);
    if (!session || session.sessionKey !== sessionKey) return undefined;
    remember(session, message.seq);
    return cache.get(sessionKey);
  };

  const known = (sessionKey: string): Cached | undefined => {
    const cached = cache.get(sessionKey);
    return cached && performance.now() - cached.readAt < cacheMs ? cached : undefined;
  };

  return {
    async get(sessionKey) {
      return (known(sessionKey) ?? (await read(sessionKey)))?.session;
    },
    async getFresh(sessionKey) {
      return (await read(sessionKey))?.session;
    },
    put: (session) => write(session),
    touch(session) {
      const { sessionKey } = session;
      if (now() - session.lastSeenAt < idleMs / TOUCH_PART || touching.has(sessionKey)) return;
      touching.add(sessionKey);
      void (async () => {
        const current = await read(sessionKey);
        // Expecting what was read: a session that is being removed is not brought back.
        if (current) await write({ ...current.session, lastSeenAt: now() }, current.sequence);
      })()
        .catch((error: unknown) => {
          if (!isConflict(error))
            log.warn("a session in use could not be extended; it is tried again at its next use", {
              error: String(error),
            });
        })
        .finally(() => touching.delete(sessionKey));
    },
    async remove(sessionKey) {
      const current = await read(sessionKey);
      cache.delete(sessionKey);
      if (!current) return;
      // An empty message that lasts a second: the stream needs no permission to delete.
      await publishStored(nc, subjectOf(current.session), new Uint8Array(0), {
        headers: headersOf({ "Nats-TTL": "1s" }),
      });
    },
    async list({ userId, cursor, limit }) {
      const filter = `session.*.${userId === undefined ? "*" : encodeToken(userId)}`;
      const sessions: AgentSession[] = [];
      let sequence = Number(cursor ?? "1");
      if (!Number.isSafeInteger(sequence) || sequence < 1) sequence = 1;
      for (;;) {
        const message = await storedMessage(nc, SESSIONS_STREAM, { seq: sequence, next_by_subj: filter });
        if (!message) return { sessions };
        if (sessions.length === limit) return { sessions, nextCursor: String(message.seq) };
        const session = parseSession(message.data);
        if (session) sessions.push(session);
        sequence = message.seq + 1;
      }
    },
  };
}

function subjectOf({ sessionKey, userId }: AgentSession): string {
  return `session.${sessionKey}.${encodeToken(userId)}`;
}

function parseSession(data: Uint8Array): AgentSession | undefined {
  if (data.length === 0) return undefined;
  try {
    const value: unknown = JSON.parse(decoder.decode(data));
    if (typeof value !== "object" || value === null) return undefined;
    const {
      sessionKey,
      userId,
      userKey,
      contractDigest,
      createdAt,
      lastSeenAt,
    }: { readonly [member: string]: unknown } = { ...value };
    if (typeof sessionKey !== "string" || typeof userId !== "string" || typeof userKey !== "string") return undefined;
    if (typeof contractDigest !== "string" || typeof createdAt !== "number" || typeof lastSeenAt !== "number")
      return undefined;
    return { sessionKey, userId, userKey, contractDigest, createdAt, lastSeenAt };
  } catch {
    return undefined;
  }
}
