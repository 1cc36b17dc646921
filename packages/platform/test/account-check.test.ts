import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createOperatorBundle, encodeAccountJwt, findNatsServer, nkeyFromSeed, startNats } from "@trellis/nats";
import { afterEach, beforeEach, expect, test } from "vitest";
import { warnOfOldAccounts } from "../src/account-check.ts";
import { type Log, SILENT_LOG } from "../src/log.ts";
import { connectAccounts } from "../src/nats-connections.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "trellis-accounts-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("accounts of an older version are told of, with what they lack; those of this version are not", async () => {
  const { operator, server, controlPlane: keys } = createOperatorBundle();
  const { id } = server.accounts.TRELLIS;
  const old = encodeAccountJwt(
    {
      name: "TRELLIS",
      subject: id,
      signingKeys: [nkeyFromSeed(keys.accounts.TRELLIS.signingSeed).publicKey],
      jetstream: false,
      imports: [{ type: "service", subject: "$KV.>", account: server.accounts.DATA.id }],
    },
    nkeyFromSeed(operator.seed),
  );
  const warnings: unknown[] = [];
  const log: Log = { ...SILENT_LOG, warn: (_, fields) => void warnings.push(fields) };
  await using nats = await startNats({
    binary: await findNatsServer(),
    directory,
    operator: { ...server, accounts: { ...server.accounts, TRELLIS: { id, jwt: old } } },
  });
  await using accounts = await connectAccounts({ servers: nats.servers, keys, ca: undefined, origin: "t", log });
  await warnOfOldAccounts(accounts.sys, keys, log);
  expect(warnings).toEqual([{ account: "TRELLIS", missing: expect.arrayContaining(["$JS.ACK.>", "kvr.>"]) }]);
}, 30_000);
