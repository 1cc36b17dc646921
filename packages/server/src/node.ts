/// <reference types="node" />
import { tellPlainly } from "@trellis/client/node";
import type { AnyContract } from "@trellis/contracts";
import { connectService } from "./node/connect-service.ts";
import type { NodeServiceOptions } from "./node/connect-service.ts";
import { ServiceSetupError } from "./registrars.ts";
import type { TrellisService as Service } from "./service.ts";

export * from "./index.ts";
export { serviceCrypto } from "./node/service-crypto.ts";
export { consoleLog } from "./node/console-log.ts";
export type { NodeServiceOptions } from "./node/connect-service.ts";
export type { ServiceAccessOptions } from "./node/find-service-key.ts";

tellPlainly(ServiceSetupError);

export type TrellisService<C extends AnyContract = AnyContract, Deps = undefined> = Service<C, Deps>;

export const TrellisService = {
  /**
   * Connects a service to its platform: `url` or `TRELLIS_URL` with the key in `TRELLIS_SEED_FILE`, otherwise the local
   * platform of this folder, where it makes itself a key and registers. Waits as long as the platform says there is
   * something to wait for, and tells what. Register the handlers next, then `run`.
   */
  connect<const C extends AnyContract, Deps = undefined>(
    options: NodeServiceOptions<C, Deps>,
  ): Promise<Service<C, Deps>> {
    return connectService(options);
  },
};
