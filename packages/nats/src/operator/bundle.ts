import { randomBytes } from "node:crypto";
import { encodeAccountJwt, encodeOperatorJwt, encodeUserJwt } from "../keys/claims.ts";
import { createNkey } from "../keys/nkey.ts";
import { createXkey } from "../keys/xkey.ts";
import { ACCOUNT_NAMES, DATA_EXPORTS, trellisImports, type AccountName } from "./accounts.ts";

/**
 * Operator mode without nsc. The bundle has three parts because they belong in three places: the operator's seed, needed
 * only to issue accounts anew; what every nats-server gets; what every replica of the control plane gets.
 */
export interface OperatorBundle {
  readonly operator: OperatorKey;
  readonly server: ServerTrust;
  readonly controlPlane: ControlPlaneKeys;
}

/** Can issue any account. Keep it offline where the platform is exposed; nothing needs it to run. */
export interface OperatorKey {
  readonly publicKey: string;
  readonly seed: string;
}

/** What makes a nats-server one of ours. */
export interface ServerTrust {
  readonly operatorJwt: string;
  readonly accounts: { readonly [name in AccountName]: { readonly id: string; readonly jwt: string } };
  /** A user that may do nothing; the server presents it for clients that bring only a token, so they reach the callout. */
  readonly sentinelJwt: string;
  /** Servers of a cluster prove themselves with it: a route carries every account. */
  readonly clusterSecret: string;
}

/** What the control plane signs with; the same for all its replicas. */
export interface ControlPlaneKeys {
  readonly accounts: { readonly [name in AccountName]: { readonly id: string; readonly signingSeed: string } };
  /** Decrypts what servers ask the callout. */
  readonly xkeySeed: string;
  /** The one user that answers the callout; only its key is listed in the AUTH account. */
  readonly calloutUserSeed: string;
}

/** New keys and the JWTs made of them. */
export function createOperatorBundle(): OperatorBundle {
  const operator = createNkey("operator");
  const xkey = createXkey();
  const calloutUser = createNkey("user");
  // The accounts' own seeds are dropped: the operator signs accounts, signing keys sign users, nothing else is left to do.
  const accounts = perAccount(() => ({ id: createNkey("account").publicKey, signing: createNkey("account") }));

  const particulars = {
    SYS: { jetstream: false },
    AUTH: {
      jetstream: false,
      callout: {
        users: [calloutUser.publicKey],
        allowedAccounts: [accounts.TRELLIS.id],
        xkey: xkey.publicKey,
      },
    },
    TRELLIS: {
      jetstream: false,
      imports: trellisImports(accounts.DATA.id),
    },
    DATA: { jetstream: true, exports: DATA_EXPORTS },
  };

  return {
    operator: { publicKey: operator.publicKey, seed: operator.seed },
    server: {
      operatorJwt: encodeOperatorJwt({ name: "trellis", systemAccount: accounts.SYS.id }, operator),
      accounts: perAccount((name) => {
        const { id, signing } = accounts[name];
        const claims = { name, subject: id, signingKeys: [signing.publicKey], ...particulars[name] };
        return { id, jwt: encodeAccountJwt(claims, operator) };
      }),
      sentinelJwt: encodeUserJwt(
        {
          name: "sentinel",
          subject: createNkey("user").publicKey,
          permissions: { pub: { allow: [] }, sub: { allow: [] } },
          issuerAccount: accounts.AUTH.id,
          bearer: true,
        },
        accounts.AUTH.signing,
      ),
      clusterSecret: randomBytes(24).toString("base64url"),
    },
    controlPlane: {
      accounts: perAccount((name) => ({ id: accounts[name].id, signingSeed: accounts[name].signing.seed })),
      xkeySeed: xkey.seed,
      calloutUserSeed: calloutUser.seed,
    },
  };
}

/** One value for each account. */
export function perAccount<T>(make: (name: AccountName) => T): { readonly [name in AccountName]: T } {
  const [sys, auth, trellis, data] = ACCOUNT_NAMES;
  return { SYS: make(sys), AUTH: make(auth), TRELLIS: make(trellis), DATA: make(data) };
}
