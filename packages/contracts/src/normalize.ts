import type { Manifest } from "./manifest.ts";
import { MANIFEST_SHAPE } from "./manifest-shape.ts";
import type { Shape } from "./manifest-shape.ts";
import { isRecord } from "./schema-problems.ts";

/**
 * The one form of a manifest: known members only, at every level; lists that are sets sorted and without repeats;
 * the defaults of event consumers filled in; an alias that is both required and optional is required; empty members
 * absent. Equal contracts become equal values.
 */
export function normalizeManifest(manifest: Manifest): Manifest {
  const normal = normalizeObject(manifest, MANIFEST_SHAPE);
  const { uses } = normal;
  if (isRecord(uses) && isRecord(uses.required) && isRecord(uses.optional)) {
    const { required, optional, ...rest } = uses;
    const onlyOptional = Object.entries(optional).filter(([alias]) => !Object.hasOwn(required, alias));
    normal.uses = { ...rest, required, ...(onlyOptional.length > 0 && { optional: Object.fromEntries(onlyOptional) }) };
  }
  return asManifest(normal);
}

/** Normalizing keeps every required member of a manifest, which the shape tables guarantee and types cannot see. */
function asManifest(normal: unknown): Manifest {
  return normal as Manifest;
}

function normalizeMember(value: unknown, shape: Shape): unknown {
  switch (shape.kind) {
    case "object":
      return normalizeObject(value, shape);
    case "map": {
      const entries = isRecord(value) ? Object.entries(value) : [];
      return Object.fromEntries(entries.map(([key, member]) => [key, normalizeMember(member, shape.of)]));
    }
    case "set":
      return Array.isArray(value) ? sortedSet(value, shape.by) : value;
    case "list":
      return Array.isArray(value) ? [...value] : value;
    case "schema":
    case "value":
      return value;
  }
}

function normalizeObject(value: unknown, shape: Extract<Shape, { kind: "object" }>): Record<string, unknown> {
  const normal: Record<string, unknown> = {};
  const source = isRecord(value) ? value : {};
  for (const [name, member] of Object.entries(shape.members)) {
    const present = Object.hasOwn(source, name) && source[name] !== undefined;
    if (!present) {
      if (member.filled !== undefined) normal[name] = member.filled;
      continue;
    }
    const inner = normalizeMember(source[name], member.shape);
    if (member.keepEmpty !== true && member.required !== true && isEmpty(inner)) continue;
    normal[name] = inner;
  }
  return normal;
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isRecord(value) && Object.keys(value).length === 0;
}

function sortedSet(list: readonly unknown[], by: string | undefined): unknown[] {
  const keyOf = (item: unknown): string => String(by !== undefined && isRecord(item) ? item[by] : item);
  const unique = new Map(
    list.map((item) => [keyOf(item), by !== undefined && isRecord(item) ? { [by]: item[by] } : item]),
  );
  return [...unique].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, item]) => item);
}
