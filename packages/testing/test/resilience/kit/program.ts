import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";

const LEAVE_WITH_PARENT = fileURLToPath(new URL("./leave-with-parent.ts", import.meta.url));

export interface ProgramOptions {
  readonly args?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  /** Loaded before the program. */
  readonly preload?: readonly string[];
}

/** A Node program in a process of its own, to be killed, frozen and asked to stop. */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  #output = "";

  constructor(file: URL, options: ProgramOptions = {}) {
    const { args = [], env = {}, preload = [] } = options;
    const imports = [LEAVE_WITH_PARENT, ...preload].flatMap((each) => ["--import", each]);
    this.#child = spawn(process.execPath, [...imports, fileURLToPath(file), ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: process.env["PATH"] ?? "", ...env },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (data) => (this.#output += String(data)));
    }
    this.#exited = new Promise((resolve) => this.#child.once("exit", (code, signal) => resolve({ code, signal })));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Everything it wrote, both streams. */
  get output(): string {
    return this.#output;
  }

  /** How it ended. */
  get exited(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    return this.#exited;
  }

  /** Waits for a line that matches and answers what it found. */
  async said(pattern: RegExp, withinMs = 30_000): Promise<RegExpExecArray> {
    const found = await eventually(
      `${pattern} from process ${this.pid}`,
      () => pattern.exec(this.#output) ?? (this.running ? undefined : ("ended" as const)),
      withinMs,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; it said:\n${this.#output}`);
    });
    if (found === "ended") throw new Error(`Process ${this.pid} ended before it said ${pattern}:\n${this.#output}`);
    return found;
  }

  send(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGKILL: no goodbye to anybody. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
