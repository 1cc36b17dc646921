// One replica of the control plane as a process: configuration from the environment and the file TRELLIS_CONFIG names.
import { loadControlPlaneKeys } from "@trellis/nats";
import { loadConfig } from "./config/load-config.ts";
import { startControlPlane } from "./control-plane.ts";
import { createProcessLog } from "./process-log.ts";
import { TRELLIS_VERSION } from "./version.ts";

const file = process.env["TRELLIS_CONFIG"];
const loaded = loadConfig({ env: process.env, ...(file === undefined ? {} : { file }) });
if (!loaded.ok) {
  process.stderr.write(`${loaded.error.message}\n`);
  process.exit(2);
}
const config = loaded.value;
const log = createProcessLog(config.logLevel);
const controlPlane = await startControlPlane({ config, keys: await loadControlPlaneKeys(config.operatorDirectory), version: TRELLIS_VERSION, log });
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    controlPlane.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}
