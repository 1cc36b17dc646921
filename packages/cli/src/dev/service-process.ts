import { type ChildProcess, spawn } from "node:child_process";
import { extname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** Long enough to finish calls under way. */
const STOP_MS = 10_000;

/** The service under development: one process at a time. */
export class ServiceProcess implements AsyncDisposable {
  readonly #main: string;
  readonly #cwd: string;
  readonly #env: { readonly [name: string]: string | undefined };
  readonly #onEnd: (how: string) => void;
  #child: ChildProcess | undefined;

  /** `onEnd` hears of a process that ended by itself. */
  constructor(options: {
    readonly main: string;
    readonly cwd: string;
    readonly env: { readonly [name: string]: string | undefined };
    readonly onEnd: (how: string) => void;
  }) {
    this.#main = options.main;
    this.#cwd = options.cwd;
    this.#env = options.env;
    this.#onEnd = options.onEnd;
  }

  async restart(): Promise<void> {
    await this.stop();
    const guard = pathToFileURL(join(import.meta.dirname, `end-with-parent${extname(import.meta.filename)}`)).href;
    const child = spawn(process.execPath, ["--import", guard, this.#main], {
      cwd: this.#cwd,
      env: { ...this.#env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      // A group of its own: Ctrl-C reaches us, and we stop it in order.
      detached: true,
    });
    this.#child = child;
    child.once("error", (error) => this.#ended(child, error.message));
    child.once("exit", (code, signal) => this.#ended(child, signal === null ? `with code ${code}` : `by ${signal}`));
  }

  /** Asks it to finish what it accepted; force comes late. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGTERM");
    const overdue = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await gone;
    clearTimeout(overdue);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#onEnd(how);
  }
}
