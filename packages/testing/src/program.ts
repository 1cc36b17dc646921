import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export interface ProgramOptions {
  readonly args?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  /** Loaded before the program. */
  readonly preload?: readonly string[];
  readonly cwd?: string;
}

/** How a process ended: by itself with a code, or by a signal. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The extension is this file's own: `.ts` in the workspace, `.js` in the package. */
const LEAVE_WITH_PARENT = fileURLToPath(
  new URL(`./leave-with-parent${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
);

/** A Node program in a process of its own, to be asked to stop, frozen and killed. It never outlives the test. */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<ProgramEnd>;
  #printed = "";
  #output = "";
  #closed = false;

  constructor(file: URL | string, options: ProgramOptions = {}) {
    const { args = [], env = {}, preload = [], cwd } = options;
    const imports = [LEAVE_WITH_PARENT, ...preload].flatMap((each) => ["--import", each]);
    this.#child = spawn(process.execPath, [...imports, file instanceof URL ? fileURLToPath(file) : file, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: process.env["PATH"] ?? "", ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#printed += text;
      this.#output += text;
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    // `close` comes after `exit`, when everything that was written has been read.
    this.#exited = new Promise((resolve) =>
      this.#child.once("close", (code, signal) => {
        this.#closed = true;
        resolve({ code, signal });
      }),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote to standard output so far. */
  get printed(): string {
    return this.#printed;
  }

  /** Everything it wrote so far, both streams. */
  get output(): string {
    return this.#output;
  }

  /** How it ended. */
  get exited(): Promise<ProgramEnd> {
    return this.#exited;
  }

  /** Waits until it has written this, and answers what it found: the whole first, then what the pattern captures. */
  async said(what: RegExp | string, withinMs = 30_000): Promise<readonly [string, ...string[]]> {
    const endsAt = performance.now() + withinMs;
    for (;;) {
      const over = this.#closed;
      const found = find(what, this.#output);
      if (found !== undefined) return found;
      if (over || performance.now() > endsAt) {
        const why = over ? "ended before it said" : `did not say within ${withinMs} ms`;
        throw new Error(`Process ${this.pid} ${why} ${what}. It wrote:\n${this.#output}`);
      }
      await pause(20);
    }
  }

  send(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGTERM: it may finish what it has in hand. */
  stop(): Promise<ProgramEnd> {
    this.#child.kill("SIGTERM");
    return this.#exited;
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

function find(what: RegExp | string, text: string): readonly [string, ...string[]] | undefined {
  if (typeof what === "string") return text.includes(what) ? [what] : undefined;
  const found = what.exec(text);
  return found === null ? undefined : [found[0], ...found.slice(1)];
}
