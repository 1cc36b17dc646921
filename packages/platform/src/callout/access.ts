import type { NatsConnection } from "@nats-io/nats-core";
import type { ControlPlaneKeys } from "@trellis/nats";
import { ReplayWindow } from "@trellis/protocol";
import type { ControlContext } from "../authority/context.ts";
import type { Log } from "../log.ts";
import type { PublishEvent } from "../notices/event-id.ts";
import { sharedEventId } from "../notices/event-id.ts";
import { NoticePublisher } from "../notices/notice-publisher.ts";
import { SecurityChanges } from "../notices/security-changes.ts";
import type { OpenRegistry } from "../registry/open.ts";
import type { Revision } from "../registry/registry.ts";
import type { RequestClaims } from "../sessions/claims.ts";
import { revokeSession } from "../sessions/revoke.ts";
import type { SessionStore } from "../sessions/session-store.ts";
import { createVerifier } from "../sessions/signatures.ts";
import { createRequestValidator } from "../sessions/validate.ts";
import type { ValidateInput, ValidateOutput } from "../sessions/validate.ts";
import type { Actor } from "../tables.ts";
import { createAdmissionResolver } from "./admission.ts";
import type { AdmissionResolver } from "./admission.ts";
import { Callout } from "./callout.ts";
import type { CalloutCounts } from "./callout.ts";
import type { Connections } from "./connections.ts";
import { Enforcer } from "./enforcer.ts";
import { PermissionSets } from "./permission-sets.ts";
import { ServerEvents } from "./server-events.ts";

export interface AccessOptions {
  readonly nats: {
    /** As the callout user. */
    readonly auth: NatsConnection;
    readonly sys: NatsConnection;
    readonly trellis: NatsConnection;
  };
  readonly keys: ControlPlaneKeys;
  readonly registry: OpenRegistry;
  readonly context: ControlContext;
  /** The same object that is the context's liveness. */
  readonly connections: Connections;
  readonly sessions: SessionStore;
  readonly claims: RequestClaims;
  /** The name of this replica. */
  readonly origin: string;
  readonly permissionsTtlMs: number;
  readonly authTimeoutMs: number;
  readonly sessionIdleMs: number;
  /** Lease of an answer about a caller. */
  readonly callerLeaseMs: number;
  readonly publishEvent: PublishEvent;
  readonly log: Log;
  readonly graceMs?: number;
  readonly connectionSweepMs?: number;
}

/** Everything about who gets in, who is in, and who must go, of one replica. */
export interface Access {
  readonly resolver: AdmissionResolver;
  readonly enforcer: Enforcer;
  readonly changes: SecurityChanges;
  readonly events: ServerEvents;
  readonly counts: CalloutCounts;
  /** `asker`: session key of the service that asks; absent when the control plane asks itself. */
  validate(input: ValidateInput, asker?: string): Promise<ValidateOutput>;
  revoke(revocation: {
    readonly sessionKey: string;
    readonly by: Actor;
    readonly reason: string;
  }): Promise<{ readonly revision: Revision }>;
  kick(which: { readonly sessionKey: string } | { readonly id: string }, reason: string): Promise<number>;
  close(): Promise<void>;
}

/** Puts the parts of access control together and starts them. */
export function startAccess(options: AccessOptions): Access {
  const { nats, keys, registry, context, connections, sessions, log, publishEvent } = options;
  const staleMs = (): number => registry.staleMs;
  const sets = new PermissionSets();
  const resolver = createAdmissionResolver({ context, sessions, sets, staleMs });
  const changes = new SecurityChanges(registry, (error) =>
    log.error("a listener of security changes failed", {
      error: error instanceof Error ? error.message : String(error),
    }),
  );
  const notices = new NoticePublisher({ nc: nats.trellis, changes, staleMs, origin: options.origin, log });
  const events = new ServerEvents({
    nc: nats.sys,
    account: keys.accounts.TRELLIS.id,
    connections,
    log,
    ...(options.connectionSweepMs === undefined ? {} : { sweepMs: options.connectionSweepMs }),
  });
  const enforcer = new Enforcer({
    connections,
    changes,
    resolver,
    sets,
    notices,
    kick: (connection) => events.kick(connection),
    publishEvent,
    log,
    ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
  });
  const stopTelling = changes.onChange(({ revoked, revision }) => {
    for (const sessionKey of revoked) {
      const record = context.tables.revocations.get(sessionKey)?.value;
      if (!record) continue;
      const { at, by } = record;
      publishEvent(
        "Auth.Sessions.Revoked",
        { sessionKey, by: by.name, at: new Date(at).toISOString(), revision },
        { id: sharedEventId(at, `revoked ${sessionKey}`) },
      );
    }
  });
  const callout = new Callout({
    nc: nats.auth,
    keys,
    resolver,
    permissionsTtlMs: options.permissionsTtlMs,
    authTimeoutMs: options.authTimeoutMs,
    log,
  });
  const validate = createRequestValidator({
    context,
    sessions,
    claims: options.claims,
    replay: new ReplayWindow({ startedAtMs: context.now() }),
    verify: createVerifier(),
    digestOf: (sessionKey) => connections.digestOf(sessionKey),
    leaseMs: options.callerLeaseMs,
    staleMs,
  });
  const longestLifeMs = options.sessionIdleMs + options.permissionsTtlMs;

  return {
    resolver,
    enforcer,
    changes,
    events,
    get counts() {
      return callout.counts;
    },
    validate,
    revoke: (revocation) => revokeSession({ context, sessions, longestLifeMs }, revocation),
    kick: (which, reason) => enforcer.kick(which, reason),
    close: async () => {
      await callout.close();
      stopTelling();
      notices.close();
      await enforcer.close();
      await events.close();
      changes.close();
    },
  };
}
