import { fork, type ChildProcess } from "node:child_process";
import type { FromWorker, ToWorker } from "./contender.ts";

/** A child process that plays one side of a contender; it dies with its parent. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<WorkerProcess> {
    const child = fork(script, [...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const worker = new WorkerProcess(child);
    await worker.#next("ready");
    return worker;
  }

  run(message: ToWorker & { type: "run" }): Promise<FromWorker & { type: "ran" }> {
    return this.ask(message, "ran");
  }

  async ask<T extends FromWorker["type"]>(message: ToWorker, type: T): Promise<FromWorker & { type: T }> {
    const answer = this.#next(type);
    this.#child.send(message);
    return answer;
  }

  /** Processor time of all its threads since it started. */
  async cpuMs(): Promise<number> {
    return (await this.ask({ type: "usage" }, "usage")).cpuMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }

  #next<T extends FromWorker["type"]>(type: T): Promise<FromWorker & { type: T }> {
    return new Promise((resolve, reject) => {
      const stop = (error: Error) => {
        this.#child.off("message", onMessage);
        this.#child.off("exit", onExit);
        reject(error);
      };
      const onExit = (code: number | null) => stop(new Error(`worker ended early (${code})`));
      const onMessage = (message: FromWorker) => {
        if (message.type === "failed") return stop(new Error(message.message));
        if (!isType(message, type)) return;
        this.#child.off("message", onMessage);
        this.#child.off("exit", onExit);
        resolve(message);
      };
      this.#child.on("message", onMessage);
      this.#child.on("exit", onExit);
    });
  }
}

function isType<T extends FromWorker["type"]>(message: FromWorker, type: T): message is FromWorker & { type: T } {
  return message.type === type;
}
