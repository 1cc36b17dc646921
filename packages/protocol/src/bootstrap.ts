import type { Bindings, Manifest } from "@trellis/contracts";

/**
 * What a participant asks over HTTP before it connects, and every answer it can get.
 * `sig` is over SHA-256("bootstrap:" + iat + ":" + contractDigest), by the key `sessionKey`.
 */
export interface BootstrapRequest {
  readonly v: 1;
  readonly sessionKey: string;
  readonly contractDigest: string;
  /** Seconds, corrected to server time. */
  readonly iat: number;
  readonly sig: string;
  /** Sent only after `manifest_required`: the platform usually knows it already. */
  readonly manifest?: Manifest;
  /**
   * A registered user key vouches for a session key that lives for one run: its signature is over
   * SHA-256("enrol-session:" + sessionKey + ":" + contractDigest + ":" + iat). Agents only.
   */
  readonly enrol?: { readonly key: string; readonly sig: string };
}

/** Reasons a well-behaved participant waits for; the runtime asks again by itself. */
export type WaitingReason =
  | "manifest_required"
  | "authority_update_required"
  | "authority_migration_required"
  | "dependency_not_active"
  | "dependency_unknown"
  | "dependency_incompatible"
  | "reconciliation_pending";

/** Reasons that asking again does not change. */
export type RefusedReason =
  | "invalid_request"
  | "invalid_signature"
  | "iat_out_of_range"
  | "invalid_manifest"
  | "digest_mismatch"
  | "unknown_service"
  | "unknown_agent"
  | "service_disabled"
  | "user_inactive"
  | "insufficient_permissions"
  | "wrong_kind"
  | "session_revoked";

export interface Problem {
  readonly path: string;
  readonly message: string;
}

interface Answer {
  /** The server's clock in milliseconds: the participant corrects its own by it. */
  readonly serverNow: number;
}

export interface BootstrapReady extends Answer {
  readonly status: "ready";
  readonly nats: {
    readonly servers: readonly string[];
    readonly websocket: readonly string[];
    /** PEM of the authority that signed the NATS certificate, when it is a private one. */
    readonly ca?: string;
  };
  readonly contractDigest: string;
  readonly inboxPrefix: string;
  readonly bindings: Bindings;
  /** Aliases of optional uses that are granted. */
  readonly grantedUses: readonly string[];
  /** Aliases of required uses whose contract is not in force: nobody begins with one, a running participant goes on. */
  readonly inactiveUses?: readonly string[];
  readonly principal: {
    readonly type: "service" | "user" | "device";
    readonly id: string;
    readonly name: string;
  };
  readonly capabilities: readonly string[];
  /** Registry revision the answer was made from. */
  readonly revision: number;
  /** How long the permissions of one connection live; the participant moves to a new connection before they end. */
  readonly permissionsTtlMs: number;
}

export interface BootstrapWaiting extends Answer {
  readonly status: "waiting";
  readonly reason: WaitingReason;
  /** What is waited for and who can end it, for a person. */
  readonly message: string;
  readonly planId?: string;
  readonly blockedBy?: readonly string[];
  readonly retryAfterMs: number;
}

export interface BootstrapRefused extends Answer {
  readonly status: "refused";
  readonly reason: RefusedReason;
  readonly message: string;
  readonly problems?: readonly Problem[];
}

export type BootstrapAnswer = BootstrapReady | BootstrapWaiting | BootstrapRefused;

/** `GET /bootstrap/info`: what anybody may know before having a key. */
export interface PlatformInfo extends Answer {
  readonly platform: { readonly version: string; readonly local: boolean };
}

export const BOOTSTRAP_PATHS = {
  info: "/bootstrap/info",
  service: "/bootstrap/service",
  agent: "/bootstrap/agent",
} as const;
