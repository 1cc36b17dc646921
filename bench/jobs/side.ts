import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** So many jobs: made and ended, or made one by one and picked up. */
export interface ToSide {
  readonly count: number;
}
export type FromSide =
  | { readonly type: "ready" }
  | { readonly type: "ran"; readonly acceptedMs: number; readonly endedMs: number }
  | { readonly type: "picked-up"; readonly pickUpMs: readonly number[] }
  | { readonly type: "failed"; readonly message: string };

/** A process that plays one side of a contender; it dies with its parent. */
export class Side implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(contender: string, role: "work" | "create" | "idle", env: NodeJS.ProcessEnv): Promise<Side> {
    const side = new Side(
      fork(join(import.meta.dirname, "side-process.ts"), [contender, role], {
        env: { ...process.env, ...env },
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      }),
    );
    await side.#answer("ready");
    return side;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  run(count: number): Promise<FromSide & { type: "ran" }> {
    this.#child.send({ count } satisfies ToSide);
    return this.#answer("ran");
  }

  async pickUp(count: number): Promise<readonly number[]> {
    this.#child.send({ count } satisfies ToSide);
    return (await this.#answer("picked-up")).pickUpMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  #answer<T extends FromSide["type"]>(type: T): Promise<FromSide & { type: T }> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`a side ended early (${code})`));
      this.#child.once("exit", onExit);
      this.#child.once("message", (message: FromSide) => {
        this.#child.off("exit", onExit);
        if (isType(message, type)) resolve(message);
        else reject(new Error(message.type === "failed" ? message.message : `unexpected: ${message.type}`));
      });
    });
  }
}

function isType<T extends FromSide["type"]>(message: FromSide, type: T): message is FromSide & { type: T } {
  return message.type === type;
}
