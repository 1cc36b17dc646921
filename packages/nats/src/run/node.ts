import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serverConfig, type NodePorts, type NodeSettings, type ServerSettings } from "./config.ts";
import { garbageCollection } from "./garbage-collection.ts";
import { spawnGuarded, type GuardedProcess } from "./guarded-process.ts";
import { hasJetStream, health, logSince, untilReady } from "./readiness.ts";

/** One nats-server: its directory, its ports, and its process, which may come and go. */

/** Somebody else took one of the ports between our choosing and the server's listening. */
export class PortTaken extends Error {
  override readonly name = "PortTaken";
}

/** The data of a server are in use by another one. */
export class ServerAlreadyRuns extends Error {
  override readonly name = "ServerAlreadyRuns";
}

export interface StopOptions {
  /** SIGTERM lets the server finish writing; SIGKILL is quicker where nothing is kept. */
  readonly signal?: "SIGTERM" | "SIGKILL";
}

const STOP_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 20_000;
const PORT_RETRY_MS = 5_000;

export class NatsNode {
  readonly name: string;
  readonly ports: NodePorts;
  readonly logFile: string;
  readonly directory: string;
  readonly #command: string;
  readonly #config: string;
  readonly #dataAccount: string;
  #process: GuardedProcess | undefined;
  /** Ended by us: nobody has to hear of it. */
  #asked = false;
  readonly #onLost = new Set<() => void>();

  constructor(command: string, server: ServerSettings, node: NodeSettings) {
    this.name = node.name;
    this.ports = node.ports;
    this.directory = node.directory;
    this.logFile = join(node.directory, "server.log");
    this.#command = command;
    this.#config = serverConfig(server, node);
    this.#dataAccount = server.operator.accounts.DATA.id;
  }

  /** Of the running server. */
  get pid(): number | undefined {
    return this.#process?.running === true ? this.#process.pid : undefined;
  }

  get running(): boolean {
    return this.pid !== undefined;
  }

  /** Told each time a server that was ready ends without having been stopped through us. Gives what ends the telling. */
  onLost(listener: () => void): () => void {
    this.#onLost.add(listener);
    return () => void this.#onLost.delete(listener);
  }

  /** Resolves when the server listens on all its ports; JetStream may still be recovering, see `healthy`. */
  async start(): Promise<void> {
    if (this.running) return;
    this.#asked = false;
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    await this.#refuseSecondServer();
    const configFile = join(this.directory, "nats.json");
    // It holds the cluster's secret.
    await writeFile(configFile, this.#config, { mode: 0o600 });
    const offset = await sizeOf(this.logFile);
    const server = await spawnGuarded(this.#command, ["-c", configFile], this.logFile, {
      env: { ...garbageCollection(), ...process.env },
    });
    this.#process = server;
    await writeFile(this.#pidFile, String(server.pid));
    try {
      await untilReady(async () => {
        const log = await logSince(this.logFile, offset);
        // Only the log is surely ours: whoever has our port would answer there too.
        if (log.includes("Server is ready")) return undefined;
        if (!server.running) throw this.#failure(log);
        return "it did not get ready in time";
      }, Date.now() + READY_TIMEOUT_MS);
    } catch (error) {
      await this.stop({ signal: "SIGKILL" });
      throw error;
    }
    void server.exited.then(() => {
      if (this.#process === server && !this.#asked) for (const listener of this.#onLost) listener();
    });
  }

  /** Resolves when JetStream works. */
  async healthy(timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    try {
      await untilReady(async () => {
        if (!this.running) return "it is not running";
        const problem = await health(this.ports.monitor);
        if (problem !== undefined) return problem;
        return (await hasJetStream(this.ports.monitor, this.#dataAccount))
          ? undefined
          : "JetStream is not enabled for DATA yet";
      }, Date.now() + timeoutMs);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      throw new Error(`nats-server ${this.name} is not ready: ${problem}. Its log: ${this.logFile}`, { cause: error });
    }
  }

  /** Starts again on the same ports, stopping first if it runs, and waits until JetStream works. */
  async restart(): Promise<void> {
    await this.stop();
    for (const deadline = Date.now() + PORT_RETRY_MS; ; await sleep(100)) {
      try {
        await this.start();
        break;
      } catch (error) {
        if (!(error instanceof PortTaken) || Date.now() > deadline) throw error;
      }
    }
    await this.healthy();
  }

  /** Sends the signal and waits until the server is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const server = this.#process;
    if (server === undefined || !server.running) return;
    this.#asked = true;
    server.ref();
    signalProcess(server.pid, signal);
    await server.exited;
    await rm(this.#pidFile, { force: true });
  }

  /** Freezes the server: it keeps its connections and answers nothing, as a machine that swaps or a lost network does. */
  async pause(): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    signalProcess(pid, "SIGSTOP");
    // The signal takes a moment to stop every thread; where the system cannot tell us, a moment is what we give it.
    if (process.platform !== "linux") await sleep(50);
    else await untilReady(async () => ((await isStopped(pid)) ? undefined : "it runs on"), Date.now() + 1_000);
  }

  resume(): void {
    if (this.pid !== undefined) signalProcess(this.pid, "SIGCONT");
  }

  /** Ends the server, with force if it takes too long. */
  async stop({ signal = "SIGTERM" }: StopOptions = {}): Promise<void> {
    this.resume();
    const overdue = setTimeout(() => void this.kill("SIGKILL"), STOP_TIMEOUT_MS);
    try {
      await this.kill(signal);
    } finally {
      clearTimeout(overdue);
    }
  }

  get #pidFile(): string {
    return join(this.directory, "server.pid");
  }

  /** Two servers on one JetStream directory destroy it, and nats-server does not lock it. */
  async #refuseSecondServer(): Promise<void> {
    const pid = Number.parseInt(await readFile(this.#pidFile, "utf8").catch(() => ""), 10);
    // One whose parent was just killed is about to be.
    for (const deadline = Date.now() + 3_000; Number.isInteger(pid) && (await isServerOf(pid, this.directory));) {
      if (Date.now() > deadline) {
        throw new ServerAlreadyRuns(
          `nats-server (process ${pid}) already runs on ${this.directory}. Stop the platform that started it, or use another directory.`,
        );
      }
      await sleep(20);
    }
  }

  #failure(log: string): Error {
    if (/address already in use|Only one usage of each socket address/i.test(log)) {
      return new PortTaken(`nats-server ${this.name}: a port it was to use is taken. Its log: ${this.logFile}`);
    }
    const said = log.split("\n").filter((line) => /\[(FTL|ERR)\]|nats-server:/.test(line));
    const why = said.length > 0 ? said.join("; ") : log.trim().split("\n").slice(-5).join("; ");
    return new Error(`nats-server ${this.name} did not start: ${why}. Its log: ${this.logFile}`);
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended between our looking and our signal.
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function isStopped(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") T");
  return /\) [TtZX]/.test(stat);
}

/** Whether the process is the server of this directory; its id alone may have gone to another program by now. */
async function isServerOf(pid: number, directory: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== "linux") return true;
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.includes(join(directory, "nats.json"));
}
