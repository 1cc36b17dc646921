import { agentGrants, type Grants, type GrantsDenied, serviceGrants, stageOf } from "../authority/grants.ts";
import type { ControlContext } from "../authority/context.ts";
import type { LiveParticipant } from "../catalog/liveness.ts";
import type { AgentSession } from "./agent-sessions.ts";
import type { Result } from "@trellis/result";

/** A session as people see it, of a service's replica or of a user's agent. */
export interface SessionFacts {
  readonly sessionKey: string;
  readonly principal: { readonly type: "service" | "user" | "device"; readonly id: string; readonly name: string };
  readonly contractId: string;
  readonly contractDigest: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly connections: number;
}

/** Where agent sessions are kept, as far as looking at them and ending them goes. */
export interface StoredSessions {
  get(sessionKey: string): Promise<AgentSession | undefined>;
  remove(sessionKey: string): Promise<void>;
  list(options: { readonly userId?: string; readonly cursor?: string; readonly limit: number }): Promise<{
    readonly sessions: readonly AgentSession[];
    readonly nextCursor?: string;
  }>;
}

/** Everybody's sessions in one view, whoever keeps them. */
export interface SessionDirectory {
  find(sessionKey: string): Promise<SessionFacts | undefined>;
  list(options: { readonly principal?: string; readonly cursor?: string; readonly limit: number }): Promise<{
    readonly sessions: readonly SessionFacts[];
    readonly nextCursor?: string;
  }>;
  /** What the session may do now; nothing when nobody knows it. */
  grants(sessionKey: string): Promise<Result<Grants, GrantsDenied> | undefined>;
  /** The same for the name of a deployment or of a user: one of its sessions, a connected one first. */
  grantsByName(name: string): Promise<Result<Grants, GrantsDenied> | undefined>;
  /** Forgets an agent's session. */
  end(sessionKey: string): Promise<void>;
}

/** Marks the part of a list that a cursor belongs to: replicas of services come first. */
const AGENTS = "agents:";

/** Joins the replicas of services (registry and presence) with the sessions of agents (their own store). */
export function createSessionDirectory(
  context: ControlContext,
  stored: StoredSessions,
  connections: (sessionKey: string) => number,
): SessionDirectory {
  const { tables, catalog, liveness } = context;

  const ofService = (live: LiveParticipant, deployment: string): SessionFacts => {
    const instance = tables.instances.get(live.sessionKey)?.value;
    return {
      sessionKey: live.sessionKey,
      principal: { type: "service", id: deployment, name: deployment },
      contractId: catalog.manifest(live.contractDigest)?.id ?? "",
      contractDigest: live.contractDigest,
      createdAt: instance?.createdAt ?? 0,
      lastSeenAt: context.now(),
      connections: connections(live.sessionKey),
    };
  };
  const ofAgent = (session: AgentSession): SessionFacts => ({
    sessionKey: session.sessionKey,
    principal: {
      type: "user",
      id: session.userId,
      name: tables.users.get(session.userId)?.value.name ?? session.userId,
    },
    contractId: catalog.manifest(session.contractDigest)?.id ?? "",
    contractDigest: session.contractDigest,
    createdAt: session.createdAt,
    lastSeenAt: session.lastSeenAt,
    connections: connections(session.sessionKey),
  });
  const liveServices = (): readonly SessionFacts[] => {
    const seen = new Map<string, SessionFacts>();
    for (const live of liveness.participants())
      if (live.deployment !== undefined) seen.set(live.sessionKey, ofService(live, live.deployment));
    return [...seen.values()].sort((a, b) => (a.sessionKey < b.sessionKey ? -1 : 1));
  };
  const liveOf = (sessionKey: string): LiveParticipant | undefined => {
    for (const live of liveness.participants()) if (live.sessionKey === sessionKey) return live;
    return undefined;
  };

  const grantsOfAgent = (session: AgentSession): Result<Grants, GrantsDenied> => {
    const { sessionKey, contractDigest } = session;
    return agentGrants(context, session, contractDigest, stageOf(context, sessionKey, contractDigest));
  };
  const grants = async (sessionKey: string): Promise<Result<Grants, GrantsDenied> | undefined> => {
    const instance = tables.instances.get(sessionKey)?.value;
    if (instance) {
      const authority = tables.authorities.get(instance.deployment)?.value;
      const digest =
        liveOf(sessionKey)?.contractDigest ?? authority?.materialized?.digest ?? authority?.desired?.digest;
      return digest === undefined
        ? undefined
        : serviceGrants(context, sessionKey, digest, stageOf(context, sessionKey, digest));
    }
    const session = await stored.get(sessionKey);
    return session && grantsOfAgent(session);
  };

  return {
    find: async (sessionKey) => {
      const live = liveOf(sessionKey);
      if (live?.deployment !== undefined) return ofService(live, live.deployment);
      const session = await stored.get(sessionKey);
      return session && ofAgent(session);
    },
    list: async ({ principal, cursor, limit }) => {
      const sessions: SessionFacts[] = [];
      if (cursor === undefined || !cursor.startsWith(AGENTS)) {
        const services = liveServices().filter(
          (facts) =>
            (cursor === undefined || facts.sessionKey > cursor) &&
            (principal === undefined || facts.principal.id === principal),
        );
        sessions.push(...services.slice(0, limit));
        const last = sessions.at(-1);
        if (services.length > limit && last) return { sessions, nextCursor: last.sessionKey };
      }
      const inStore = cursor?.startsWith(AGENTS) ? cursor.slice(AGENTS.length) : "";
      if (sessions.length === limit) return { sessions, nextCursor: AGENTS };
      const userId =
        principal === undefined
          ? undefined
          : (tables.users.get(principal) ?? tables.users.by("name", principal)[0])?.id;
      if (principal !== undefined && userId === undefined) return { sessions };
      const agents = await stored.list({
        ...(userId === undefined ? {} : { userId }),
        ...(inStore === "" ? {} : { cursor: inStore }),
        limit: limit - sessions.length,
      });
      sessions.push(...agents.sessions.map(ofAgent));
      return { sessions, ...(agents.nextCursor === undefined ? {} : { nextCursor: `${AGENTS}${agents.nextCursor}` }) };
    },
    grants,
    grantsByName: async (name) => {
      if (tables.deployments.get(name)) {
        const live = liveServices().find((facts) => facts.principal.id === name);
        const key = live?.sessionKey ?? tables.instances.by("deployment", name)[0]?.id;
        return key === undefined ? undefined : grants(key);
      }
      const user = tables.users.get(name) ?? tables.users.by("name", name)[0];
      if (!user) return undefined;
      const { sessions } = await stored.list({ userId: user.id, limit: 50 });
      const session = sessions.find((one) => connections(one.sessionKey) > 0) ?? sessions.at(-1);
      return session && grantsOfAgent(session);
    },
    end: (sessionKey) => stored.remove(sessionKey),
  };
}
