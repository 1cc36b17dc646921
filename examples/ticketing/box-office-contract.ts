import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Sale = Type.Object({ show: Type.String(), seats: Type.Integer({ minimum: 1 }) });
const Ticket = Type.Object({ id: Type.Integer(), show: Type.String(), seats: Type.Integer() });

export default defineServiceContract({ schemas: { Sale, Ticket } }, (ref) => ({
  id: "box-office@v1",
  displayName: "Box office",
  description: "Sells tickets and says so.",
  rpc: { "Tickets.Sell": { version: "v1", input: ref.schema("Sale"), output: ref.schema("Ticket") } },
  events: { "Tickets.Sold": { version: "v1", event: ref.schema("Ticket"), params: ["/show"] } },
}));
