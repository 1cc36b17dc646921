/** The Trellis control plane: one replica, or a whole local platform. */

export { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./control-plane.ts";
export { type Config, type ConfigInvalid, configWith, describeSettings, loadConfig } from "./config/load-config.ts";
export {
  AlreadyRunning,
  type LocalPlatform,
  type LocalPlatformOptions,
  startLocalPlatform,
} from "./local/start-local.ts";
export { type LocalAddress, type LocalFiles, localFiles, readLocalAddress } from "./local/local-files.ts";
export { createProcessLog } from "./process-log.ts";
export type { Log } from "./log.ts";
export { TRELLIS_VERSION } from "./version.ts";
