import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { SERVICE_KEY_FILE } from "../kv/storage-arena.ts";
import { depot } from "./contract.ts";

/** The service that has the files, connected and silent. All tasks have it: the arena has one deployment, and that one contract. */
export function connectDepot(url: string): Promise<TrellisService<typeof depot>> {
  const seedFile = process.env[SERVICE_KEY_FILE];
  if (seedFile === undefined) throw new Error(`${SERVICE_KEY_FILE} is not set`);
  return TrellisService.connect({
    contract: depot,
    url,
    seedFile,
    env: {},
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
}
