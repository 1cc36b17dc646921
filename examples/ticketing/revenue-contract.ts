import { defineServiceContract } from "@trellis/contracts";
import boxOffice from "./box-office-contract.ts";

export default defineServiceContract({}, () => ({
  id: "revenue@v1",
  displayName: "Revenue",
  description: "Counts what was sold.",
  uses: { required: { boxOffice: boxOffice.use({ events: { subscribe: ["Tickets.Sold"] } }) } },
  eventConsumers: { sales: { uses: { boxOffice: ["Tickets.Sold"] }, replay: "all" } },
}));
