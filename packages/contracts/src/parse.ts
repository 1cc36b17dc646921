import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { boundedJson } from "./json-bounds.ts";
import type { Manifest } from "./manifest.ts";
import { checkReferences } from "./manifest-references.ts";
import { checkStructure } from "./manifest-structure.ts";
import { normalizeManifest } from "./normalize.ts";
import { ProblemList } from "./problem-list.ts";
import type { Problem } from "./schema-problems.ts";

export type { Problem } from "./schema-problems.ts";

/** Why a manifest is refused: every problem found, each with its place. */
export interface ManifestInvalid {
  readonly code: "manifest_invalid";
  readonly message: string;
  readonly problems: readonly Problem[];
}

/** A manifest that holds what it must, normalized, and what was left out of it. */
export interface ParsedManifest {
  readonly manifest: Manifest;
  readonly warnings: readonly Problem[];
}

/**
 * Reads a manifest nobody vouches for, as JSON text or as a JSON value. Size and depth are checked before anything
 * else looks at it; then every problem is reported at once. What comes out is normalized and shares nothing mutable
 * that the input's owner could change in its structure.
 */
export function parseManifest(input: unknown): Result<ParsedManifest, ManifestInvalid> {
  const json = boundedJson(input);
  if (!json.ok) return err(invalid(json.problems));
  const list = new ProblemList();
  checkStructure(json.value, list);
  if (list.problems.length > 0 || !isManifest(json.value, list)) return err(invalid(list.problems));
  const manifest = normalizeManifest(json.value);
  checkReferences(manifest, list);
  if (list.problems.length > 0) return err(invalid(list.problems));
  return ok({ manifest, warnings: list.warnings });
}

/** `checkStructure` found nothing wrong, which is what being a manifest means. */
function isManifest(value: unknown, list: ProblemList): value is Manifest {
  return list.problems.length === 0 && typeof value === "object";
}

function invalid(problems: readonly Problem[]): ManifestInvalid {
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  const where = first === undefined || first.path === "" ? "" : `${first.path}: `;
  return {
    code: "manifest_invalid",
    message: `the manifest is not valid: ${where}${first?.message ?? "unknown problem"}${more}`,
    problems,
  };
}
