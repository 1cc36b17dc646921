import { ACCOUNT_NAMES, type AccountName } from "./accounts.ts";

/** One value for each account. */
export function perAccount<T>(make: (name: AccountName) => T): { readonly [name in AccountName]: T } {
  const [sys, auth, trellis, data] = ACCOUNT_NAMES;
  return { SYS: make(sys), AUTH: make(auth), TRELLIS: make(trellis), DATA: make(data) };
}
