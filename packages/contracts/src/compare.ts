import { ChangeList } from "./compare-changes.ts";
import type { Change } from "./compare-changes.ts";
import { compareConsumers } from "./compare-consumers.ts";
import { compareResources } from "./compare-resources.ts";
import { compareSurfaces } from "./compare-surfaces.ts";
import { compareUses } from "./compare-uses.ts";
import { contractDigest } from "./digest.ts";
import { jsonKey } from "./json-equal.ts";
import type { Manifest } from "./manifest.ts";
import { normalizeManifest } from "./normalize.ts";

/** What replacing one manifest by another means for everybody else. */
export interface Compatibility {
  readonly verdict: "identical" | "compatible" | "breaking";
  readonly changes: readonly Change[];
}

/**
 * Compares two manifests of one contract. Inputs may only come to accept more, outputs and events may only come to
 * say less, stored data must stay readable; whatever is not proven to be safe is breaking. Manifests with the same
 * digest are identical.
 */
export function compareManifests(older: Manifest, newer: Manifest): Compatibility {
  if (contractDigest(older) === contractDigest(newer)) return { verdict: "identical", changes: [] };
  const before = normalizeManifest(older);
  const after = normalizeManifest(newer);
  const list = new ChangeList();
  compareIdentity(before, after, list);
  compareCapabilities(before, after, list);
  compareSurfaces(before, after, list);
  compareResources(before, after, list);
  compareUses(before, after, list);
  compareConsumers(before, after, list);
  const breaking = list.changes.some(({ effect }) => effect === "breaking");
  return { verdict: breaking ? "breaking" : "compatible", changes: list.changes };
}

function compareIdentity(older: Manifest, newer: Manifest, list: ChangeList): void {
  if (older.id !== newer.id)
    list.breaking(
      "/id",
      "changed",
      ["callers", "publishers", "subscribers", "the service"],
      `${newer.id} is another contract than ${older.id}`,
    );
  if (older.kind !== newer.kind)
    list.breaking("/kind", "changed", ["the service"], `the kind changes from ${older.kind} to ${newer.kind}`);
}

function compareCapabilities(older: Manifest, newer: Manifest, list: ChangeList): void {
  list.each("/capabilities", older.capabilities, newer.capabilities, {
    added: (key, at) => list.compatible(at, "added", `the capability ${key} is new`),
    // Surfaces that required it are compared on their own; the capability itself then allows nothing.
    removed: (key, at) =>
      list.compatible(at, "removed", `the capability ${key} is gone; grants of it no longer allow anything`),
    both: (key, at, before, after) => {
      if (jsonKey(before) !== jsonKey(after))
        list.compatible(
          at,
          "changed",
          `the capability ${key} is described differently; whoever granted it may want to read it again`,
        );
    },
  });
}

export type { Change } from "./compare-changes.ts";
