import { recordAudit } from "../audit/audit.ts";
import type { ControlContext } from "../authority/context.ts";
import type { Revision } from "../registry/registry.ts";
import type { Actor } from "../tables.ts";
import type { SessionStore } from "./session-store.ts";

export interface RevokeOptions {
  readonly context: ControlContext;
  readonly sessions: Pick<SessionStore, "remove">;
  /** No session and no permission outlives this, so a revocation need not either. */
  readonly longestLifeMs: number;
}

/**
 * Ends a session for good. What makes it so is the record: every replica sees it in the registry's order and refuses,
 * tells the session and everybody who remembers it, and kicks. A replica that dies in between changes nothing about that.
 */
export async function revokeSession(
  { context, sessions, longestLifeMs }: RevokeOptions,
  revocation: { readonly sessionKey: string; readonly by: Actor; readonly reason: string },
): Promise<{ readonly revision: Revision }> {
  const { registry, tables } = context;
  const { sessionKey, by, reason } = revocation;
  const { revision } = await registry.transact((tx) => {
    if (tx.get(tables.revocations, sessionKey)) return;
    const now = context.now();
    // The key of an instance stays registered, so its revocation stays too.
    const registered =
      tx.get(tables.instances, sessionKey) !== undefined || tx.get(tables.userKeys, sessionKey) !== undefined;
    tx.put(
      tables.revocations,
      sessionKey,
      { sessionKey, at: now, by, reason },
      registered ? {} : { ttlMs: longestLifeMs },
    );
    recordAudit(tx, tables.outbox, {
      now,
      actor: by,
      action: "session.revoke",
      target: sessionKey,
      detail: { reason },
    });
  });
  // The revocation stands; a session that could not be removed ends by itself.
  await sessions.remove(sessionKey).catch(() => undefined);
  return { revision };
}
