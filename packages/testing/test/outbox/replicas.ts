import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import type { TestPlatform } from "../../src/index.ts";
import type { BooksKind } from "./books.ts";

/** Two processes of one deployment, which may be killed at any moment and come back with what they had on disk. */
export class Replicas implements AsyncDisposable {
  readonly directory: string;
  readonly #platform: TestPlatform;
  readonly #role: "shop" | "ledger";
  readonly #kind: BooksKind;
  readonly #where: string;
  readonly #children: (ChildProcess | undefined)[] = [];
  #onBusy: ((index: number) => void) | undefined;

  private constructor(
    platform: TestPlatform,
    role: "shop" | "ledger",
    kind: BooksKind,
    directory: string,
    where: string | undefined,
  ) {
    this.#platform = platform;
    this.#role = role;
    this.#kind = kind;
    this.directory = directory;
    this.#where = where ?? join(directory, "books.db");
  }

  static async start(
    platform: TestPlatform,
    role: "shop" | "ledger",
    kind: BooksKind,
    where?: string,
  ): Promise<Replicas> {
    const directory = await mkdtemp(join(tmpdir(), "trellis-replicas-"));
    const replicas = new Replicas(platform, role, kind, directory, where);
    const deployment = replicas.#deployment;
    await platform.admin.rpc.auth.deploymentsCreate({ name: deployment, mode: "mutable-dev" }).orThrow();
    for (const index of [0, 1]) {
      const sessionKey = nodeSessionKey(loadOrCreateSeedFile(replicas.#seedFile(index)).seed).publicKey;
      await platform.admin.rpc.auth.instancesProvision({ deployment, sessionKey }).orThrow();
    }
    await Promise.all([replicas.#fork(0), replicas.#fork(1)]);
    return replicas;
  }

  /** Waits for so many pieces of work, kills whoever has just begun or ended the last of them, and starts it again. */
  async killAfter(pieces: number): Promise<void> {
    let seen = 0;
    const index = await new Promise<number>((resolve) => {
      this.#onBusy = (busy) => {
        if (++seen === pieces) resolve(busy);
      };
    });
    this.#onBusy = undefined;
    const child = this.#child(index);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    await this.#fork(index);
  }

  /** They write nothing more, and go on publishing. */
  async stopWriting(): Promise<void> {
    await Promise.all([0, 1].map((index) => this.#ask(index, "stop", (message) => message === "stopped")));
  }

  /** What their books say, and how many events wait in them. */
  async books(): Promise<{ readonly totals: { readonly [key: string]: number }; readonly waiting: number }> {
    let found: { totals: { [key: string]: number }; waiting: number } | undefined;
    await this.#ask(0, "books", (message) => {
      if (typeof message !== "object" || message === null || !("totals" in message) || !("waiting" in message))
        return false;
      found = { totals: { ...(message.totals as { [key: string]: number }) }, waiting: Number(message.waiting) };
      return true;
    });
    if (found === undefined) throw new Error("the books cannot be read");
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child?.kill("SIGKILL");
    await rm(this.directory, { recursive: true, force: true });
  }

  get #deployment(): string {
    return `${this.#role}-${this.#kind}`;
  }

  #seedFile(index: number): string {
    return join(this.directory, `${index}.seed`);
  }

  #child(index: number): ChildProcess {
    const child = this.#children[index];
    if (child === undefined) throw new Error("no such replica");
    return child;
  }

  async #ask(index: number, question: string, isAnswer: (message: unknown) => boolean): Promise<void> {
    const child = this.#child(index);
    const answered = new Promise<void>((resolve) => {
      const hear = (message: unknown): void => {
        if (!isAnswer(message)) return;
        child.off("message", hear);
        resolve();
      };
      child.on("message", hear);
    });
    child.send(question);
    await answered;
  }

  async #fork(index: number): Promise<void> {
    const child = fork(
      join(import.meta.dirname, "books-process.ts"),
      [this.#role, this.#kind, this.#platform.url, this.#seedFile(index), this.#where, this.#deployment, String(index)],
      { stdio: ["ignore", "ignore", "inherit", "ipc"] },
    );
    this.#children[index] = child;
    child.on("message", (message) => {
      if (message === "busy") this.#onBusy?.(index);
    });
    await new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("exit", (code, signal) => {
        if (signal !== "SIGKILL") reject(new Error(`a replica ended: ${code}`));
      });
    });
  }
}
