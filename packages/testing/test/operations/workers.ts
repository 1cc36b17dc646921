import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { Refused } from "@trellis/sdk";
import type { TestPlatform } from "../../src/index.ts";
import { Program } from "../../src/program.ts";

const WORKER = new URL("./worker-process.ts", import.meta.url);

/** Replicas of the service `billing` in processes of their own, and what they wrote about what they ran. */
export class BillingWorkers {
  readonly #platform: TestPlatform;
  readonly #runsFile: string;
  readonly #alive = new Set<Program>();
  #made = 0;

  constructor(platform: TestPlatform) {
    this.#platform = platform;
    this.#runsFile = join(platform.local.directory, "operation-runs.txt");
    writeFileSync(this.#runsFile, "");
  }

  async spawn(): Promise<Program> {
    const { admin, local, url } = this.#platform;
    const created = await admin.rpc.auth.deploymentsCreate({ name: "billing", mode: "mutable-dev" });
    if (!created.ok && !(created.error instanceof Refused)) throw created.error;
    const seedFile = join(local.directory, `billing-${(this.#made += 1)}.seed`);
    const key = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
    await admin.rpc.auth.instancesProvision({ deployment: "billing", sessionKey: key.publicKey }).orThrow();
    const program = new Program(WORKER, {
      env: { TRELLIS_URL: url, TRELLIS_SEED_FILE: seedFile, RUNS_FILE: this.#runsFile },
    });
    this.#alive.add(program);
    await program.said(/serving/, 60_000);
    return program;
  }

  async kill(program: Program): Promise<void> {
    this.#alive.delete(program);
    await program.kill();
  }

  /** What was written about one operation, in the order it happened. */
  linesOf(id: string): readonly string[] {
    return readFileSync(this.#runsFile, "utf8")
      .split("\n")
      .filter((line) => line.startsWith(`${id} `))
      .map((line) => line.slice(id.length + 1));
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#alive].map((program) => this.kill(program)));
  }
}
