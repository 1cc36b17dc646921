import { TrellisService } from "@trellis/server/node";
import { storage } from "./contract.ts";
import { SERVICE_KEY_FILE } from "./storage-arena.ts";

/** The service of the benchmark, connected and silent. */
export function connectStorage(url: string): Promise<TrellisService<typeof storage>> {
  const seedFile = process.env[SERVICE_KEY_FILE];
  if (seedFile === undefined) throw new Error(`${SERVICE_KEY_FILE} is not set`);
  return TrellisService.connect({ contract: storage, url, seedFile, env: {}, onNotice: () => undefined });
}
