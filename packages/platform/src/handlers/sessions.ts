import { err, ok } from "@trellis/result";
import { type auth, NotFound } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import { revokeSession } from "../identity/user-commands.ts";
import { actorOf, type HandlersOf, isoTime } from "./handler.ts";
import { page } from "./page.ts";

/** A session as people see it, whoever keeps it. */
export interface SessionFacts {
  readonly sessionKey: string;
  readonly principal: { readonly type: string; readonly id: string; readonly name: string };
  readonly contractId: string;
  readonly contractDigest: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly connections: number;
}

/** Where sessions are looked up and ended; connections and notices belong to the callout's side. */
export interface SessionDirectory {
  find(sessionKey: string): Promise<SessionFacts | undefined>;
  list(): Promise<readonly SessionFacts[]>;
  /** Capabilities the session holds now. */
  capabilities(sessionKey: string): Promise<readonly string[]>;
  /** Forgets a session that ended of its own will and closes its connections. */
  end(sessionKey: string): Promise<void>;
  /** Called after a revocation is stored: tells services and closes connections. */
  revoked(sessionKey: string, revision: number, by: string): Promise<void>;
}

type Names = "Auth.Sessions.Me" | "Auth.Sessions.Logout" | "Auth.Sessions.List" | "Auth.Sessions.Revoke";

/** Sessions: mine, everybody's, and ending them. */
export function sessionHandlers(context: ControlContext, directory: SessionDirectory): HandlersOf<typeof auth, Names> {
  const { registry } = context;
  const view = (facts: SessionFacts) => ({ ...facts, principal: { ...facts.principal }, createdAt: isoTime(facts.createdAt), lastSeenAt: isoTime(facts.lastSeenAt) });
  return {
    "Auth.Sessions.Me": async ({ caller }) => {
      const facts = await directory.find(caller.sessionKey);
      if (!facts) return err(new NotFound({ kind: "session", name: caller.sessionKey }));
      const capabilities = await directory.capabilities(caller.sessionKey);
      return ok({ session: view(facts), capabilities: [...capabilities].sort(), serverNow: context.now() });
    },
    "Auth.Sessions.Logout": async ({ caller }) => {
      await directory.end(caller.sessionKey);
      return ok({ revision: registry.revision });
    },
    "Auth.Sessions.List": async ({ input }) => {
      const all = (await directory.list()).filter(({ principal }) => input.principal === undefined || principal.id === input.principal || principal.name === input.principal);
      const { items, ...more } = page(all, (facts) => facts.sessionKey, input);
      return ok({ sessions: items.map(view), ...more });
    },
    "Auth.Sessions.Revoke": async ({ input, caller }) => {
      const known = (await directory.find(input.sessionKey)) ?? context.tables.instances.get(input.sessionKey);
      if (!known) return err(new NotFound({ kind: "session", name: input.sessionKey }));
      const by = actorOf(caller);
      const { revision } = await revokeSession(context, { sessionKey: input.sessionKey, by, reason: `revoked by ${by.name}` });
      await directory.revoked(input.sessionKey, revision, by.name);
      return ok({ revision });
    },
  };
}
