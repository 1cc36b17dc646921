import { encodeJwt } from "./jwt.ts";
import type { Nkey } from "./nkey.ts";

/** The three JWTs of operator mode. nats-server reads an omitted limit as zero, so "no limit" is written out. */

export interface OperatorClaims {
  readonly name: string;
  /** Public key of the system account. */
  readonly systemAccount: string;
}

/** The operator, signed by itself. */
export function encodeOperatorJwt(claims: OperatorClaims, operator: Nkey): string {
  const nats = { type: "operator", system_account: claims.systemAccount };
  return encodeJwt({ sub: operator.publicKey, name: claims.name, nats }, operator);
}

/** Something an account offers to others. How many answers a service gives is part of the offer. */
export type AccountExport =
  | { readonly type: "stream"; readonly subject: string }
  | { readonly type: "service"; readonly subject: string; readonly answers: "Singleton" | "Stream" };

/** Something an account takes from another. */
export interface AccountImport {
  readonly type: "stream" | "service";
  /** As the exporting account names it. */
  readonly subject: string;
  /** As the importing account names it, if otherwise; never for stored subjects (see operator/accounts.ts). */
  readonly as?: string;
  /** Public key of the exporting account. */
  readonly account: string;
}

export interface AccountClaims {
  readonly name: string;
  readonly subject: string;
  readonly signingKeys: readonly string[];
  readonly jetstream: boolean;
  readonly exports?: readonly AccountExport[];
  readonly imports?: readonly AccountImport[];
  /** Makes this the account of the auth callout. */
  readonly callout?: {
    readonly users: readonly string[];
    readonly allowedAccounts: readonly string[];
    readonly xkey: string;
  };
}

/** An account, signed by the operator. */
export function encodeAccountJwt(claims: AccountClaims, operator: Nkey): string {
  const { callout } = claims;
  const nats = {
    type: "account",
    limits: { ...NO_LIMITS, ...(claims.jetstream ? ALL_OF_JETSTREAM : NO_JETSTREAM) },
    signing_keys: claims.signingKeys,
    exports: claims.exports?.map((item) => ({
      name: item.subject,
      subject: item.subject,
      type: item.type,
      response_type: item.type === "service" ? item.answers : undefined,
    })),
    imports: claims.imports?.map((item) => ({
      name: item.subject,
      subject: item.subject,
      type: item.type,
      account: item.account,
      local_subject: item.as,
    })),
    authorization: callout && {
      auth_users: callout.users,
      allowed_accounts: callout.allowedAccounts,
      xkey: callout.xkey,
    },
  };
  return encodeJwt({ sub: claims.subject, name: claims.name, nats }, operator);
}

/** Subjects, each with an optional queue group after a space (subscriptions only). What `allow` does not name is refused. */
export interface SubjectPermissions {
  readonly allow: readonly string[];
  readonly deny?: readonly string[];
}

export interface UserPermissions {
  readonly pub: SubjectPermissions;
  readonly sub: SubjectPermissions;
}

export interface UserClaims {
  /** Shown in server logs, events and CONNZ; without one the name a client claims for itself would be. */
  readonly name: string;
  /** The user's public nkey. */
  readonly subject: string;
  readonly permissions: UserPermissions | "everything";
  readonly expiresAt?: Date;
  /** The account, when `signer` is one of its signing keys and not the account itself. */
  readonly issuerAccount?: string;
  /** Anybody who holds the JWT is the user, without a nonce signature. */
  readonly bearer?: boolean;
}

/** A user, signed by its account or by a signing key of it. There is no `resp` permission: it overrides deny lists. */
export function encodeUserJwt(claims: UserClaims, signer: Nkey): string {
  const { permissions } = claims;
  const nats = {
    type: "user",
    subs: -1,
    data: -1,
    payload: -1,
    pub: permissions === "everything" ? {} : subjects(permissions.pub),
    sub: permissions === "everything" ? {} : subjects(permissions.sub),
    issuer_account: claims.issuerAccount,
    bearer_token: claims.bearer,
  };
  const exp = claims.expiresAt === undefined ? undefined : Math.floor(claims.expiresAt.getTime() / 1000);
  return encodeJwt({ sub: claims.subject, name: claims.name, exp, nats }, signer);
}

const NO_LIMITS = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
const ALL_OF_JETSTREAM = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
const NO_JETSTREAM = { mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 };

/** nats-server takes an empty allow list for "everything"; here it means nothing. */
function subjects({ allow, deny }: SubjectPermissions): SubjectPermissions {
  return allow.length === 0 ? { allow, deny: [">"] } : { allow, deny: deny ?? [] };
}
