import { TrellisService } from "@trellis/server/node";
import contract from "./contract.ts";
import { registerHandlers } from "./handlers.ts";

const service = await TrellisService.connect({ contract, name: "sample-service" });
registerHandlers(service);
await service.run(); // serves until SIGTERM, then finishes what it accepted and takes nothing new
