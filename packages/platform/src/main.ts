// One replica of the control plane as a process: configuration from the environment and the file TRELLIS_CONFIG names.
import { setFlagsFromString } from "node:v8";
import { loadControlPlaneKeys } from "@trellis/nats";
import { loadConfig } from "./config/load-config.ts";
import type { ControlPlane } from "./control-plane.ts";
import { createProcessLog } from "./process-log.ts";
import { startWhenNatsIsThere } from "./start-when-nats-is-there.ts";
import { TRELLIS_VERSION } from "./version.ts";

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

async function start(): Promise<ControlPlane> {
  const keys = await loadControlPlaneKeys(config.operatorDirectory);
  return startWhenNatsIsThere({ config, keys, version: TRELLIS_VERSION, log });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!("code" in error) || error.code !== "EADDRINUSE") return error.message;
  return `another program listens at ${config.httpHost}:${config.httpPort}. Stop it, or choose another port with TRELLIS_HTTP_PORT.`;
}
