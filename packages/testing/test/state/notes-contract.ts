import { defineAgentContract } from "@trellis/contracts";
import { Type } from "typebox";

const Preferences = Type.Object({ theme: Type.String(), size: Type.Integer() });
const Note = Type.Object({ text: Type.String() });

/** Keeps one value and a map of them. */
export const notes = defineAgentContract({ schemas: { Preferences, Note } }, (ref) => ({
  id: "notes@v1",
  displayName: "Notes",
  description: "Takes notes.",
  state: {
    preferences: { kind: "value", schema: ref.schema("Preferences") },
    notes: { kind: "map", schema: ref.schema("Note") },
  },
}));

const NewPreferences = Type.Object({ look: Type.Object({ theme: Type.String() }) });

/** The next version: its preferences look different, and those of the first are still read. */
export const newNotes = defineAgentContract({ schemas: { Preferences, NewPreferences, Note } }, (ref) => ({
  id: "notes@v1",
  displayName: "Notes",
  description: "Takes notes, and more of them.",
  state: {
    preferences: {
      kind: "value",
      schema: ref.schema("NewPreferences"),
      stateVersion: "v2",
      acceptedVersions: { v1: ref.schema("Preferences") },
    },
    notes: { kind: "map", schema: ref.schema("Note") },
  },
}));
