import type { UserPermissions } from "@trellis/nats";
import type { AuthReason, ConnectToken } from "@trellis/protocol";
import type { ControlContext } from "../authority/context.ts";
import { agentGrants, serviceGrants, stageOf } from "../authority/grants.ts";
import type { Grants, GrantsDenied } from "../authority/grants.ts";
import type { SessionStore } from "../sessions/session-store.ts";
import { authReason } from "../sessions/denial-reason.ts";
import type { ConnectionName } from "./connection-name.ts";
import type { PermissionSet, PermissionSets } from "./permission-sets.ts";

/** What is let in, and as what. */
export interface Admission {
  readonly admitted: true;
  readonly name: ConnectionName;
  readonly permissions: UserPermissions;
  readonly set: PermissionSet;
  readonly grants: Grants;
}

/** Why nobody is let in: a reason of the closed list, and words for the log. */
export interface Denial {
  readonly admitted: false;
  readonly reason: AuthReason | "registry_unavailable";
  readonly detail: string;
  /** What the participant waits for rather than is refused. */
  readonly waiting?: GrantsDenied["reason"];
}

/** Whose session, under which contract: all of a verified connect token that decides anything. */
export type Claimed = Pick<ConnectToken, "sessionKey" | "contractDigest">;

/** Decides who may connect, and what the connection may then do. */
export interface AdmissionResolver {
  resolve(claimed: Claimed): Promise<Admission | Denial>;
}

/** A view older than this may have missed a revocation: nobody new is let in on it. */
const MAX_STALE_MS = 30_000;

export interface AdmissionOptions {
  readonly context: ControlContext;
  readonly sessions: SessionStore;
  readonly sets: PermissionSets;
  /** How old the registry view is. */
  readonly staleMs: () => number;
}

/** Resolves from memory; a user's session costs at most one read of the session stream. */
export function createAdmissionResolver({ context, sessions, sets, staleMs }: AdmissionOptions): AdmissionResolver {
  const admit = (grants: Grants): Admission => {
    const set = sets.of(grants);
    const { principal, sessionKey, digest, revision } = grants;
    return {
      admitted: true,
      name: {
        type: principal.type,
        principalId: principal.id,
        principalName: principal.name,
        sessionKey,
        digest,
        revision,
        fingerprint: set.fingerprint,
      },
      permissions: set.forInbox(grants.inboxPrefix),
      set,
      grants,
    };
  };

  return {
    async resolve({ sessionKey, contractDigest }) {
      const stale = staleMs();
      if (stale > MAX_STALE_MS) {
        return {
          admitted: false,
          reason: "registry_unavailable",
          detail: `the registry was last read ${Math.round(stale / 1_000)} s ago`,
        };
      }
      const stage = stageOf(context, sessionKey, contractDigest);
      if (context.tables.instances.get(sessionKey)) {
        const grants = serviceGrants(context, sessionKey, contractDigest, stage);
        return grants.ok ? admit(grants.value) : denial(grants.error);
      }
      let session = await sessions.get(sessionKey);
      // Another replica may just have stored the session under this contract.
      if (session && session.contractDigest !== contractDigest) session = await sessions.getFresh(sessionKey);
      if (!session)
        return {
          admitted: false,
          reason: "session_not_found",
          detail: "neither an instance of a service nor a session has this key",
        };
      if (session.contractDigest !== contractDigest) {
        return {
          admitted: false,
          reason: "contract_changed",
          detail: `the session was made for the contract ${session.contractDigest}`,
        };
      }
      const grants = agentGrants(context, session, contractDigest, stage);
      if (!grants.ok) return denial(grants.error);
      sessions.touch(session);
      return admit(grants.value);
    },
  };
}

function denial(denied: GrantsDenied): Denial {
  return {
    admitted: false,
    reason: authReason(denied),
    detail: denied.message,
    ...(denied.status === "waiting" ? { waiting: denied.reason } : {}),
  };
}
