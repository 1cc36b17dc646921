import { type ChildProcess, fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import type { TestPlatform } from "../../src/index.ts";
import type { COUNTERS } from "./counter-contracts.ts";

/** One line of what replicas wrote down, oldest first. */
export interface CounterLine {
  readonly key: string;
  readonly n: number;
  readonly pid: number;
}

/** Two replicas of a counter as processes, which write down what they handle before it is acknowledged. */
export class CounterReplicas implements AsyncDisposable {
  readonly #kind: keyof typeof COUNTERS;
  readonly #url: string;
  readonly #directory: string;
  readonly #replicas: (ChildProcess | undefined)[] = [];

  static async start(platform: TestPlatform, kind: keyof typeof COUNTERS): Promise<CounterReplicas> {
    const directory = await mkdtemp(join(tmpdir(), "trellis-counter-"));
    const name = `${kind}-counter`;
    await platform.admin.rpc.auth.deploymentsCreate({ name, mode: "mutable-dev" }).orThrow();
    for (const index of [0, 1]) {
      const { seed } = loadOrCreateSeedFile(join(directory, `${index}.seed`));
      await platform.admin.rpc.auth
        .instancesProvision({ deployment: name, sessionKey: nodeSessionKey(seed).publicKey })
        .orThrow();
    }
    const replicas = new CounterReplicas(kind, platform.url, directory);
    await Promise.all([0, 1].map((index) => replicas.#start(index)));
    return replicas;
  }

  private constructor(kind: keyof typeof COUNTERS, url: string, directory: string) {
    this.#kind = kind;
    this.#url = url;
    this.#directory = directory;
  }

  /** Kills one, and starts it again. */
  async kill(index: number): Promise<void> {
    const child = this.#replicas[index];
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    await this.#start(index);
  }

  lines(): readonly CounterLine[] {
    const text = existsSync(this.#ledger) ? readFileSync(this.#ledger, "utf8") : "";
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => {
        const [key = "", n, pid] = line.split(" ");
        return { key, n: Number(n), pid: Number(pid) };
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#replicas) child?.kill("SIGKILL");
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #ledger(): string {
    return join(this.#directory, "ledger");
  }

  async #start(index: number): Promise<void> {
    const seedFile = join(this.#directory, `${index}.seed`);
    const child = fork(
      join(import.meta.dirname, "counter-process.ts"),
      [this.#kind, this.#url, seedFile, this.#ledger],
      { stdio: ["ignore", "ignore", "inherit", "ipc"] },
    );
    this.#replicas[index] = child;
    await new Promise((resolve, reject) => {
      child.once("message", resolve);
      child.once("exit", (code, signal) =>
        signal === "SIGKILL" ? resolve(undefined) : reject(new Error(`a replica ended: ${code}`)),
      );
    });
  }
}
