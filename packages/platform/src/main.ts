// One replica of the control plane as a process: configuration from the environment and the file TRELLIS_CONFIG names.
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { loadControlPlaneKeys } from "@trellis/nats";
import { loadConfig } from "./config/load-config.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { isNatsAway } from "./nats-away.ts";
import { createProcessLog } from "./process-log.ts";
import { TRELLIS_VERSION } from "./version.ts";

const AGAIN_MS = 1_000;

const file = process.env["TRELLIS_CONFIG"];
const loaded = loadConfig({ env: process.env, ...(file === undefined ? {} : { file }) });
if (!loaded.ok) {
  process.stderr.write(`${loaded.error.message}\n`);
  process.exit(2);
}
const config = loaded.value;
// Reading a full registry makes V8 enlarge its young generation, which it never gives back: 120 MB of 320 with 10 000
// deployments (npm run bench -- start).
setFlagsFromString("--semi-space-growth-factor=1");
const log = createProcessLog(config.logLevel);
const controlPlane = await start().catch((error: unknown) => {
  process.stderr.write(`The control plane cannot start: ${reasonOf(error)}\n`);
  if (process.env["TRELLIS_DEBUG"] !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
setFlagsFromString("--semi-space-growth-factor=2");
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    controlPlane.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}

/** NATS may lose its majority while we start; whoever watches sees a process that is alive and not yet ready. */
async function start(): Promise<ControlPlane> {
  const keys = await loadControlPlaneKeys(config.operatorDirectory);
  for (;;) {
    try {
      return await startControlPlane({ config, keys, version: TRELLIS_VERSION, log });
    } catch (error) {
      if (!isNatsAway(error)) throw error;
      log.warn("NATS went away while the control plane started; it starts again", { error: reasonOf(error) });
    }
    await setTimeout(AGAIN_MS);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!("code" in error) || error.code !== "EADDRINUSE") return error.message;
  return `another program listens at ${config.httpHost}:${config.httpPort}. Stop it, or choose another port with TRELLIS_HTTP_PORT.`;
}
