import type { AgentIdentity } from "../authority/grants.ts";

/** A session a user's key vouched for. */
export interface AgentSession extends AgentIdentity {
  readonly contractDigest: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
}

/** Where agent sessions live: not in the registry, there may be millions. */
export interface AgentSessions {
  get(sessionKey: string): Promise<AgentSession | undefined>;
  /** Stores a session, replacing what the key had before. */
  put(session: AgentSession): Promise<void>;
}
