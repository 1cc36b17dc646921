import { TrellisClient } from "@trellis/client/node";
import type { AnyContract } from "@trellis/contracts";
import type { TestPlatform } from "../../../src/index.ts";

/** Connects as the developer by way of another address than the platform's own. */
export function connectVia<const C extends AnyContract>(
  platform: TestPlatform,
  contract: C,
  url: string,
  onNotice: (message: string) => void = () => undefined,
): Promise<TrellisClient<C>> {
  return TrellisClient.connect({ contract, url, userKeyFile: platform.local.developer.keyFile, env: {}, onNotice });
}
