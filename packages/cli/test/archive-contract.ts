import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Named = Type.Object({ name: Type.String() });
const Kept = Type.Object({ name: Type.String(), bytes: Type.Integer(), sha256: Type.String() });
const Waiting = Type.Object({ ms: Type.Integer() });
const Said = Type.Object({ by: Type.String() });
const Told = Type.Object({ n: Type.Integer() });

/** Two contracts whose surfaces have the same names; the second moves no files. */
export const archive = defineServiceContract({ schemas: { Named, Kept, Waiting, Said, Told } }, (ref) => ({
  id: "archive@v1",
  displayName: "Archive",
  description: "Keeps files and hands them out.",
  rpc: {
    "Archive.Fetch": {
      version: "v1",
      input: ref.schema("Named"),
      output: ref.schema("Kept"),
      transfer: { direction: "receive" },
    },
    "Archive.Wait": { version: "v1", input: ref.schema("Waiting"), output: ref.schema("Said") },
  },
  operations: {
    "Archive.Keep": {
      version: "v1",
      input: ref.schema("Named"),
      output: ref.schema("Kept"),
      transfer: { direction: "send", store: "files", key: "/name", maxBytes: 4_000_000 },
    },
    "Archive.Think": { version: "v1", input: ref.schema("Waiting"), output: ref.schema("Said") },
  },
  feeds: { "Archive.Changes": { version: "v1", input: ref.schema("Waiting"), event: ref.schema("Said") } },
  events: { "Archive.Told": { version: "v1", event: ref.schema("Told") } },
  resources: { store: { files: { purpose: "What it keeps", maxTotalBytes: 64_000_000 } } },
}));

export const newerArchive = defineServiceContract({ schemas: { Waiting, Said, Told } }, (ref) => ({
  id: "archive@v2",
  displayName: "Archive",
  description: "Answers under the same names.",
  rpc: { "Archive.Wait": { version: "v2", input: ref.schema("Waiting"), output: ref.schema("Said") } },
  operations: { "Archive.Think": { version: "v2", input: ref.schema("Waiting"), output: ref.schema("Said") } },
  feeds: { "Archive.Changes": { version: "v2", input: ref.schema("Waiting"), event: ref.schema("Said") } },
  events: { "Archive.Told": { version: "v2", event: ref.schema("Told") } },
}));
