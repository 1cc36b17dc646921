import { TrellisService } from "@trellis/server/node";
import contract from "./contract.ts";

const service = await TrellisService.connect({ contract, name: "shipping" });

/** What was sent already. A real service keeps this where it keeps its parcels. */
const sent = new Set<string>();

service.handle.events.parcels(async ({ event, id, attempt, log }) => {
  if (sent.has(id)) return; // the same event may come again
  log.info(`parcel for ${event.id} to ${event.address}`, { attempt });
  await service.event.shipping.sent
    .publish({ order: event.id, address: event.address }, { id: `sent-${id}` })
    .orThrow();
  sent.add(id);
});

await service.run();
