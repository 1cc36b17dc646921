import { err, ok } from "@trellis/result";
import { type auth, NotFound } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import type { SessionDirectory, SessionFacts } from "../identity/session-directory.ts";
import type { Revision } from "../registry/registry.ts";
import type { Actor } from "../tables.ts";
import { actorOf, type HandlersOf, isoTime } from "./handler.ts";

/** How sessions end; connections and notices belong to the callout's side. */
export interface SessionEndings {
  /** The session said goodbye: close what it has open, once it has its answer. */
  loggedOut(sessionKey: string): void;
  /** Refused everywhere from here on. */
  revoke(revocation: {
    readonly sessionKey: string;
    readonly by: Actor;
    readonly reason: string;
  }): Promise<{ readonly revision: Revision }>;
}

type Names = "Auth.Sessions.Me" | "Auth.Sessions.Logout" | "Auth.Sessions.List" | "Auth.Sessions.Revoke";

/** As many as a screen shows. */
const DEFAULT_LIMIT = 100;

/** Sessions: mine, everybody's, and ending them. */
export function sessionHandlers(
  context: ControlContext,
  directory: SessionDirectory,
  endings: SessionEndings,
): HandlersOf<typeof auth, Names> {
  return {
    "Auth.Sessions.Me": async ({ caller }) => {
      const facts = await directory.find(caller.sessionKey);
      const grants = await directory.grants(caller.sessionKey);
      if (!facts || !grants?.ok) return err(new NotFound({ kind: "session", name: caller.sessionKey }));
      return ok({
        session: view(facts),
        capabilities: [...grants.value.capabilities].sort(),
        serverNow: context.now(),
      });
    },
    "Auth.Sessions.Logout": async ({ caller }) => {
      await directory.end(caller.sessionKey);
      endings.loggedOut(caller.sessionKey);
      return ok({ revision: context.registry.revision });
    },
    "Auth.Sessions.List": async ({ input }) => {
      const { sessions, ...more } = await directory.list({ ...input, limit: input.limit ?? DEFAULT_LIMIT });
      return ok({ sessions: sessions.map(view), ...more });
    },
    "Auth.Sessions.Revoke": async ({ input, caller }) => {
      const { sessionKey } = input;
      const known = context.tables.instances.get(sessionKey) ?? (await directory.find(sessionKey));
      if (!known) return err(new NotFound({ kind: "session", name: sessionKey }));
      const by = actorOf(caller);
      const { revision } = await endings.revoke({ sessionKey, by, reason: `revoked by ${by.name}` });
      return ok({ revision });
    },
  };
}

function view(facts: SessionFacts) {
  return {
    ...facts,
    principal: { ...facts.principal },
    createdAt: isoTime(facts.createdAt),
    lastSeenAt: isoTime(facts.lastSeenAt),
  };
}
