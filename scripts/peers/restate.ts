import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { spawnGuarded } from "@trellis/nats";
import { freePort } from "./free-port.ts";
import { unprivileged } from "./unprivileged.ts";

const modules = join(import.meta.dirname, "..", "..", ".cache", "restate", "node_modules", "@restatedev");
const program = join(modules, `restate-server-linux-${process.arch}`, "bin", "restate-server");

/** Where Restate's SDK is, for the process that serves with it. */
export const RESTATE_SDK = join(modules, "restate-sdk", "dist", "index.js");

/** Whether this working copy has Restate; scripts/peers/install-restate.sh brings it. */
export function hasRestate(): boolean {
  return existsSync(program) && existsSync(RESTATE_SDK);
}

export interface RunningRestate extends AsyncDisposable {
  /** Where invocations are asked for. */
  readonly ingress: string;
  readonly pid: number;
  /** Makes the services at an address known. */
  register(uri: string): Promise<void>;
}

const READY_WITHIN_MS = 60_000;

/** A Restate of one's own with the settings it comes with, gone with everything in it when disposed of. */
export async function startRestate(): Promise<RunningRestate> {
  const directory = mkdtempSync(join(tmpdir(), "trellis-restate-"));
  const user = unprivileged("nobody");
  user.own(directory);
  const [ingress, admin, node] = [await freePort(), await freePort(), await freePort()];
  const settings = {
    RESTATE_BASE_DIR: directory,
    RESTATE_NODE_NAME: "bench",
    RESTATE_LISTEN_MODE: "tcp",
    RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
    RESTATE_DISABLE_TELEMETRY: "true",
    RESTATE_LOG_FILTER: "warn",
  };
  const env = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const [command, ...args] = user.as("env", [...env, program, "--no-logo"]);
  const server = await spawnGuarded(command, args, join(directory, "server.log"));
  const answers = (path: string, init?: RequestInit): Promise<boolean> =>
    fetch(`http://127.0.0.1:${admin}${path}`, init).then(
      ({ ok }) => ok,
      () => false,
    );
  for (const deadline = performance.now() + READY_WITHIN_MS; !(await answers("/health")); await pause(100)) {
    if (!server.running || performance.now() > deadline)
      throw new Error(`Restate did not start; see ${join(directory, "server.log")}`);
  }
  return {
    ingress: `http://127.0.0.1:${ingress}`,
    pid: server.pid,
    async register(uri) {
      const body = JSON.stringify({ uri });
      const init = { method: "POST", headers: { "content-type": "application/json" }, body };
      if (!(await answers("/deployments", init))) throw new Error(`Restate does not take the service at ${uri}`);
    },
    async [Symbol.asyncDispose]() {
      server.ref();
      process.kill(server.pid, "SIGKILL");
      await server.exited;
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
