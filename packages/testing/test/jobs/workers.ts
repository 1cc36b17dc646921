import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { Refused } from "@trellis/sdk";
import type { TestPlatform } from "../../src/index.ts";
import { Program, type ProgramOptions } from "../../src/program.ts";

const WORKER = new URL("./worker-process.ts", import.meta.url);
let files = 0;

/** A key for one replica of the service `works`, which its successors may use too; answers its file. */
export async function provisionJobWorker(platform: TestPlatform): Promise<string> {
  const created = await platform.admin.rpc.auth.deploymentsCreate({ name: "works", mode: "mutable-dev" });
  if (!created.ok && !(created.error instanceof Refused)) throw created.error;
  const seedFile = join(platform.local.directory, `works-${(files += 1)}.seed`);
  const key = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
  await platform.admin.rpc.auth.instancesProvision({ deployment: "works", sessionKey: key.publicKey }).orThrow();
  return seedFile;
}

/** A replica of the service `works` in a process of its own, serving; what it ran is in the file. */
export async function spawnJobWorker(
  platform: TestPlatform,
  runsFile: string,
  seedFile: string,
  { preload = [], env = {} }: Pick<ProgramOptions, "preload" | "env"> = {},
): Promise<Program> {
  const program = new Program(WORKER, {
    env: { TRELLIS_URL: platform.url, TRELLIS_SEED_FILE: seedFile, RUNS_FILE: runsFile, ...env },
    preload,
  });
  await program.said(/serving/, 90_000);
  return program;
}
