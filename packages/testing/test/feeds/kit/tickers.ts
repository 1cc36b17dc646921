import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { Refused } from "@trellis/sdk";
import type { TestPlatform } from "../../../src/index.ts";
import { Program } from "../../../src/program.ts";

const TICKER = new URL("./ticker-process.ts", import.meta.url);
const READER = new URL("./reader-process.ts", import.meta.url);
let files = 0;

/** A replica of the service `ticker` in a process of its own, serving. */
export async function spawnTicker(
  platform: TestPlatform,
  env: { readonly [name: string]: string } = {},
): Promise<Program> {
  const created = await platform.admin.rpc.auth.deploymentsCreate({ name: "ticker", mode: "mutable-dev" });
  if (!created.ok && !(created.error instanceof Refused)) throw created.error;
  const seedFile = join(platform.local.directory, `ticker-${(files += 1)}.seed`);
  const key = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
  await platform.admin.rpc.auth.instancesProvision({ deployment: "ticker", sessionKey: key.publicKey }).orThrow();
  const program = new Program(TICKER, { env: { TRELLIS_URL: platform.url, TRELLIS_SEED_FILE: seedFile, ...env } });
  await program.said(/serving/);
  return program;
}

/** A reader in a process of its own, reading. */
export async function spawnReader(platform: TestPlatform, label: string): Promise<Program> {
  const program = new Program(READER, {
    args: [label],
    env: { TRELLIS_URL: platform.url, TRELLIS_USER_KEY_FILE: platform.local.developer.keyFile },
  });
  await program.said(/reading/);
  return program;
}
