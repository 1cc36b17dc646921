import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { Refused } from "@trellis/sdk";
import type { TestPlatform } from "../../../src/index.ts";
import { Program } from "../../../src/program.ts";

const LIBRARY = new URL("./library-process.ts", import.meta.url);
const SENDER = new URL("./sender-process.ts", import.meta.url);
let files = 0;

/** A replica of the service `library` in a process of its own, serving. */
export async function spawnLibrary(platform: TestPlatform): Promise<Program> {
  const { auth } = platform.admin.rpc;
  const created = await auth.deploymentsCreate({ name: "library", mode: "mutable-dev" });
  if (!created.ok && !(created.error instanceof Refused)) throw created.error;
  const seedFile = join(platform.local.directory, `library-${(files += 1)}.seed`);
  const key = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
  await auth.instancesProvision({ deployment: "library", sessionKey: key.publicKey }).orThrow();
  const program = new Program(LIBRARY, { env: { TRELLIS_URL: platform.url, TRELLIS_SEED_FILE: seedFile } });
  await program.said(/serving/, 60_000);
  return program;
}

/** Sends a made file in a process of its own, and reads it again. */
export function spawnSender(platform: TestPlatform, bytes: number, name: string): Program {
  return new Program(SENDER, {
    args: [String(bytes), name],
    env: { TRELLIS_URL: platform.url, TRELLIS_USER_KEY_FILE: platform.local.developer.keyFile },
  });
}
