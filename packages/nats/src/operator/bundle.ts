import { randomBytes } from "node:crypto";
import { encodeOperatorJwt, encodeUserJwt } from "../keys/claims.ts";
import { createNkey } from "../keys/nkey.ts";
import { createXkey } from "../keys/xkey.ts";
import { ACCOUNTS_VERSION, type AccountName } from "./accounts.ts";
import { issueAccounts } from "./issue-accounts.ts";
import { perAccount } from "./per-account.ts";

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
  /** Of the version that issued the accounts; absent in bundles from before there were versions. */
  readonly accountsVersion?: number;
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

  return {
    operator: { publicKey: operator.publicKey, seed: operator.seed },
    server: {
      operatorJwt: encodeOperatorJwt({ name: "trellis", systemAccount: accounts.SYS.id }, operator),
      accountsVersion: ACCOUNTS_VERSION,
      accounts: issueAccounts({
        operator,
        accounts: perAccount((name) => ({ id: accounts[name].id, signingKey: accounts[name].signing.publicKey })),
        calloutUser: calloutUser.publicKey,
        xkey: xkey.publicKey,
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
