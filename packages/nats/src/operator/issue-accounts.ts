import { encodeAccountJwt } from "../keys/claims.ts";
import { decodeJwt, isRecord } from "../keys/jwt.ts";
import type { Nkey } from "../keys/nkey.ts";
import { type AccountName, DATA_EXPORTS, trellisImports } from "./accounts.ts";
import { perAccount } from "./per-account.ts";

/** What the JWTs of the accounts are made of: keys, and who answers the callout. */
export interface AccountParts {
  readonly operator: Nkey;
  readonly accounts: { readonly [name in AccountName]: { readonly id: string; readonly signingKey: string } };
  /** Public keys. */
  readonly calloutUser: string;
  readonly xkey: string;
}

/** The accounts as this version wants them, signed by the operator. */
export function issueAccounts({ operator, accounts, calloutUser, xkey }: AccountParts): {
  readonly [name in AccountName]: { readonly id: string; readonly jwt: string };
} {
  const particulars = {
    SYS: { jetstream: false },
    AUTH: {
      jetstream: false,
      callout: { users: [calloutUser], allowedAccounts: [accounts.TRELLIS.id], xkey },
    },
    TRELLIS: { jetstream: false, imports: trellisImports(accounts.DATA.id) },
    DATA: { jetstream: true, exports: DATA_EXPORTS },
  };
  return perAccount((name) => {
    const { id, signingKey } = accounts[name];
    const claims = { name, subject: id, signingKeys: [signingKey], ...particulars[name] };
    return { id, jwt: encodeAccountJwt(claims, operator) };
  });
}

/** Whether two account JWTs say the same, whenever they were made. */
export function saySame(one: string, other: string): boolean {
  const [first, second] = [decodeJwt(one), decodeJwt(other)];
  return first !== undefined && second !== undefined && JSON.stringify(first.nats) === JSON.stringify(second.nats);
}

/** Subjects this version needs an account to export or import, and which the JWT of a running server lacks. */
export function missingSubjects(name: "TRELLIS" | "DATA", jwt: string): readonly string[] {
  const side = decodeJwt(jwt)?.nats[name === "DATA" ? "exports" : "imports"];
  const there = new Set(Array.isArray(side) ? side.map((item: unknown) => isRecord(item) && item.subject) : []);
  return DATA_EXPORTS.map(({ subject }) => subject).filter((subject) => !there.has(subject));
}
