import type { Authenticator } from "@nats-io/nats-core";
import { encodeUserJwt, type UserPermissions } from "../keys/claims.ts";
import { createNkey, nkeyFromSeed } from "../keys/nkey.ts";
import type { AccountName } from "./accounts.ts";
import type { ControlPlaneKeys } from "./bundle.ts";

/** A user whose JWT the control plane signs for itself; the server lets it in without asking the callout. */
export interface DirectUser {
  readonly publicKey: string;
  readonly jwt: string;
  readonly seed: string;
}

export interface DirectUserOptions {
  /** Shown in server logs and connection lists, such as `control-plane-1`. */
  readonly name: string;
  readonly permissions?: UserPermissions | "everything";
  readonly expiresAt?: Date;
}

/**
 * A user in one of the accounts. In AUTH it is always the callout user, whose key the account names: any other user there
 * would have to pass the callout it is about to answer. Elsewhere each call makes a new key.
 */
export function createDirectUser(keys: ControlPlaneKeys, account: AccountName, options: DirectUserOptions): DirectUser {
  const user = account === "AUTH" ? nkeyFromSeed(keys.calloutUserSeed) : createNkey("user");
  const { id, signingSeed } = keys.accounts[account];
  const claims = { permissions: "everything" as const, ...options, subject: user.publicKey, issuerAccount: id };
  return { publicKey: user.publicKey, seed: user.seed, jwt: encodeUserJwt(claims, nkeyFromSeed(signingSeed)) };
}

/** For nats.js `connect({ authenticator })`; signs with `node:crypto` instead of 2.6 ms of JavaScript. */
export function directAuthenticator(user: DirectUser): Authenticator {
  const key = nkeyFromSeed(user.seed);
  return (nonce) => ({
    jwt: user.jwt,
    nkey: key.publicKey,
    sig: Buffer.from(key.sign(Buffer.from(nonce ?? ""))).toString("base64url"),
  });
}

/** The text of a `.creds` file, for the `nats` command line and other tools. A secret: mode 0600. */
export function credsText(user: DirectUser): string {
  return [
    "-----BEGIN NATS USER JWT-----",
    user.jwt,
    "------END NATS USER JWT------",
    "",
    "-----BEGIN USER NKEY SEED-----",
    user.seed,
    "------END USER NKEY SEED------",
    "",
  ].join("\n");
}
