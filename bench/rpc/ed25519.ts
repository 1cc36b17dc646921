import { TrellisClient } from "@trellis/client/node";
import { ok } from "@trellis/result";
import { TrellisService } from "@trellis/server/node";
import type { Contender } from "../contender.ts";
import { benchCaller, benchService } from "./contracts.ts";
import { question } from "./question.ts";
import { keyFile, SERVICE_NAME } from "./trellis-access.ts";

/** What people get: contracts, permissions, a signature and a capability checked on every call. */
export const ed25519: Contender = {
  name: "ed25519",
  says: "Trellis: signed, authorised, replay-checked, schemas at both ends",
  async serve(address) {
    const service = await TrellisService.connect({
      contract: benchService,
      name: SERVICE_NAME,
      url: address,
      seedFile: keyFile("service"),
      env: {},
    });
    service.handle.rpc.bench.ask(({ input }) => ok(input));
    await service.start();
  },
  async connect(address) {
    const client = await TrellisClient.connect({
      contract: benchCaller,
      url: address,
      userKeyFile: keyFile("user"),
      env: {},
      // The platform says that it waits for the contract to be served; a benchmark has nothing to add.
      onNotice: () => undefined,
    });
    // Both schema checks are the runtime's; what comes back here has passed them.
    return async () => void (await client.rpc.bench.ask(question).orThrow());
  },
};
