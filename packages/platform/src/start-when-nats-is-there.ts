import { setTimeout as pause } from "node:timers/promises";
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./control-plane.ts";
import { isNatsAway } from "./nats-away.ts";

const AGAIN_MS = 1_000;

/**
 * NATS may lose its majority while a control plane starts, or have none yet: servers that have just begun elect, and lose what they
 * are asked meanwhile. Whoever watches sees a process that is alive and not yet ready.
 */
export async function startWhenNatsIsThere(options: ControlPlaneOptions): Promise<ControlPlane> {
  for (;;) {
    try {
      return await startControlPlane(options);
    } catch (error) {
      if (!isNatsAway(error)) throw error;
      const why = error instanceof Error ? error.message : String(error);
      options.log.warn("NATS went away while the control plane started; it starts again", { error: why });
    }
    await pause(AGAIN_MS);
  }
}
