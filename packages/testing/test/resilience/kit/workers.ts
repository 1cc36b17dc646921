import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { Refused } from "@trellis/sdk";
import type { TestPlatform } from "../../../src/index.ts";
import { Program } from "../../../src/program.ts";

const WORKER = new URL("../worker-process.ts", import.meta.url);
let files = 0;

/** A replica of the service `work` in a process of its own, serving. */
export async function spawnWorker(
  platform: TestPlatform,
  options: {
    readonly url?: string;
    readonly preload?: readonly string[];
    readonly env?: { readonly [name: string]: string };
  } = {},
): Promise<Program> {
  const { url = platform.url, preload = [], env = {} } = options;
  const created = await platform.admin.rpc.auth.deploymentsCreate({ name: "work", mode: "mutable-dev" });
  if (!created.ok && !(created.error instanceof Refused)) throw created.error;
  const seedFile = join(platform.local.directory, `worker-${(files += 1)}.seed`);
  const key = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
  await platform.admin.rpc.auth.instancesProvision({ deployment: "work", sessionKey: key.publicKey }).orThrow();
  const program = new Program(WORKER, { env: { TRELLIS_URL: url, TRELLIS_SEED_FILE: seedFile, ...env }, preload });
  await program.said(/serving/);
  return program;
}
