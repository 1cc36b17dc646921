import { defineAgentContract } from "@trellis/contracts";
import { Type } from "typebox";

const Look = Type.Object({ theme: Type.Union([Type.Literal("light"), Type.Literal("dark")]), size: Type.Integer() });
const OldLook = Type.Object({ dark: Type.Boolean() });
const Place = Type.Object({ page: Type.Integer({ minimum: 1 }) });

export default defineAgentContract({ schemas: { Look, OldLook, Place } }, (ref) => ({
  id: "reader@v1",
  displayName: "Reader",
  description: "Reads books, and remembers how and where.",
  state: {
    look: {
      kind: "value",
      schema: ref.schema("Look"),
      stateVersion: "v2",
      acceptedVersions: { v1: ref.schema("OldLook") },
    },
    places: { kind: "map", schema: ref.schema("Place") },
  },
}));
