import { TrellisClient } from "@trellis/client/node";
import { defineAgentContract } from "@trellis/contracts";
import boxOffice from "./box-office-contract.ts";

const contract = defineAgentContract({
  id: "ticket-desk@v1",
  displayName: "Ticket desk",
  description: "Sells tickets by hand.",
  uses: { required: { boxOffice: boxOffice.use({ rpc: { call: ["Tickets.Sell"] } }) } },
});

await using client = await TrellisClient.connect({ contract });

for (const seats of [1, 2, 3]) {
  const ticket = await client.rpc.tickets.sell({ show: "hamlet", seats }).orThrow();
  console.log(`ticket ${ticket.id} for ${ticket.seats}`);
}
