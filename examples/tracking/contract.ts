import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Van = Type.Object({ van: Type.String({ minLength: 1 }) });
const Position = Type.Object({ van: Type.String(), step: Type.Integer(), north: Type.Number(), east: Type.Number() });

export default defineServiceContract({ schemas: { Van, Position } }, (ref) => ({
  id: "tracking@v1",
  displayName: "Tracking",
  description: "Where the vans are.",
  capabilities: { follow: { displayName: "Follow vans", description: "See where any van is, as it drives." } },
  feeds: {
    "Vans.Positions": {
      version: "v1",
      input: ref.schema("Van"),
      event: ref.schema("Position"),
      capabilities: { subscribe: ["follow"] },
    },
  },
}));
