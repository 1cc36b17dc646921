import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Named = Type.Object({ name: Type.String() });

/** A service that takes files and hands them out. */
export const depot = defineServiceContract({ schemas: { Named } }, (ref) => ({
  id: "depot-bench@v1",
  displayName: "Depot benchmark",
  description: "Takes files and hands them out as fast as it can.",
  rpc: {
    "Files.Read": {
      version: "v1",
      input: ref.schema("Named"),
      output: ref.schema("Named"),
      transfer: { direction: "receive" },
    },
  },
  operations: {
    "Files.Put": {
      version: "v1",
      input: ref.schema("Named"),
      output: ref.schema("Named"),
      transfer: { direction: "send", store: "files", key: "/name" },
    },
  },
  resources: { store: { files: { purpose: "What is sent" } } },
}));

/** Sends files to the depot and reads them. */
export const courier = defineAgentContract({
  id: "courier-bench@v1",
  displayName: "Courier benchmark",
  description: "Sends files and reads them.",
  uses: {
    required: { depot: depot.use({ rpc: { call: ["Files.Read"] }, operations: { call: ["Files.Put"] } }) },
  },
});
