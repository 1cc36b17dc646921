import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { Refused } from "@trellis/sdk";
import type { TestPlatform } from "../../src/index.ts";
import { Program } from "../../src/program.ts";
import type { ProgramOptions } from "../../src/program.ts";

const WORKER = new URL("./worker-process.ts", import.meta.url);

/** Replicas of the service `billing` in processes of their own, and what they wrote about what they ran. */
export class BillingWorkers {
  readonly #platform: TestPlatform;
  readonly #runsFile: string;
  /** Who is alive, with the key it runs under. */
  readonly #alive = new Map<Program, string>();
  /** Keys of those that are gone: their successors need nobody to register one, also while the platform is away. */
  readonly #spareKeys: string[] = [];
  #made = 0;

  constructor(platform: TestPlatform) {
    this.#platform = platform;
    this.#runsFile = join(platform.local.directory, "operation-runs.txt");
    writeFileSync(this.#runsFile, "");
  }

  async spawn({ preload = [], env = {} }: Pick<ProgramOptions, "preload" | "env"> = {}): Promise<Program> {
    const seedFile = this.#spareKeys.pop() ?? (await this.#register());
    const program = new Program(WORKER, {
      env: { TRELLIS_URL: this.#platform.url, TRELLIS_SEED_FILE: seedFile, RUNS_FILE: this.#runsFile, ...env },
      preload,
    });
    this.#alive.set(program, seedFile);
    await program.said(/serving/, 60_000);
    return program;
  }

  async kill(program: Program): Promise<void> {
    const seedFile = this.#alive.get(program);
    if (this.#alive.delete(program) && seedFile !== undefined) this.#spareKeys.push(seedFile);
    await program.kill();
  }

  async #register(): Promise<string> {
    const { admin, local } = this.#platform;
    const created = await admin.rpc.auth.deploymentsCreate({ name: "billing", mode: "mutable-dev" });
    if (!created.ok && !(created.error instanceof Refused)) throw created.error;
    const seedFile = join(local.directory, `billing-${(this.#made += 1)}.seed`);
    const key = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
    await admin.rpc.auth.instancesProvision({ deployment: "billing", sessionKey: key.publicKey }).orThrow();
    return seedFile;
  }

  /** What was written about one operation, in the order it happened. */
  linesOf(id: string): readonly string[] {
    return readFileSync(this.#runsFile, "utf8")
      .split("\n")
      .filter((line) => line.startsWith(`${id} `))
      .map((line) => line.slice(id.length + 1));
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#alive.keys()].map((program) => this.kill(program)));
  }
}
