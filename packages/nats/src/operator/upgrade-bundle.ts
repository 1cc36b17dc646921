import { nkeyFromSeed } from "../keys/nkey.ts";
import { xkeyFromSeed } from "../keys/xkey.ts";
import { ACCOUNT_NAMES, type AccountName, ACCOUNTS_VERSION } from "./accounts.ts";
import type { OperatorBundle } from "./bundle.ts";
import { issueAccounts, saySame } from "./issue-accounts.ts";
import { perAccount } from "./per-account.ts";

/** A bundle, and which of its accounts had to be issued anew for that. */
export interface UpgradedBundle {
  readonly bundle: OperatorBundle;
  readonly changed: readonly AccountName[];
}

/**
 * Issues the accounts anew that an older version made otherwise, such as without an import that a newer surface needs. No
 * key changes, so whoever has credentials keeps them. What a newer version made stays as it is.
 */
export function upgradeBundle(bundle: OperatorBundle): UpgradedBundle {
  const { operator, server, controlPlane } = bundle;
  if ((server.accountsVersion ?? 0) > ACCOUNTS_VERSION) return { bundle, changed: [] };
  const issued = issueAccounts({
    operator: nkeyFromSeed(operator.seed),
    accounts: perAccount((name) => ({
      id: server.accounts[name].id,
      signingKey: nkeyFromSeed(controlPlane.accounts[name].signingSeed).publicKey,
    })),
    calloutUser: nkeyFromSeed(controlPlane.calloutUserSeed).publicKey,
    xkey: xkeyFromSeed(controlPlane.xkeySeed).publicKey,
  });
  const changed = ACCOUNT_NAMES.filter((name) => !saySame(server.accounts[name].jwt, issued[name].jwt));
  if (changed.length === 0 && server.accountsVersion === ACCOUNTS_VERSION) return { bundle, changed };
  const accounts = perAccount((name) => (changed.includes(name) ? issued[name] : server.accounts[name]));
  return { bundle: { ...bundle, server: { ...server, accounts, accountsVersion: ACCOUNTS_VERSION } }, changed };
}
