import { LIMITS } from "./limits.ts";
import { MANIFEST_SHAPE } from "./manifest-shape.ts";
import type { Shape } from "./manifest-shape.ts";
import { NAME_RULES, isName } from "./names.ts";
import type { ProblemList } from "./problem-list.ts";
import { isRecord, pointer, schemaProblems } from "./schema-problems.ts";
import type { PatternBudget } from "./schema-problems.ts";

/** Checks that everything in a manifest has its form; what is unknown becomes a warning. */
export function checkStructure(manifest: unknown, list: ProblemList): void {
  check(manifest, MANIFEST_SHAPE, "", { list, patterns: { steps: 0 } });
}

interface Context {
  readonly list: ProblemList;
  readonly patterns: PatternBudget;
}

function check(value: unknown, shape: Shape, path: string, context: Context): void {
  const { list, patterns } = context;
  switch (shape.kind) {
    case "value":
      if (!shape.fits(value)) list.problem(path, `must be ${shape.words}, not ${brief(value)}`, shape.fix);
      return;
    case "object":
      return checkObject(value, shape, path, context);
    case "map":
      return checkMap(value, shape, path, context);
    case "set":
    case "list":
      return checkList(value, shape.of, path, context);
    case "schema":
      for (const { path: inside, message, fix } of schemaProblems(value, path, patterns))
        list.problem(inside, message, fix);
  }
}

function checkObject(value: unknown, shape: Extract<Shape, { kind: "object" }>, path: string, context: Context): void {
  const { list } = context;
  if (!isRecord(value)) {
    list.problem(path, `must be an object, not ${brief(value)}`);
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const at = pointer(path, name);
    const known = Object.hasOwn(shape.members, name) ? shape.members[name] : undefined;
    if (known !== undefined) check(member, known.shape, at, context);
    else unknownMember(name, member, at, path, list);
  }
  for (const [name, member] of Object.entries(shape.members)) {
    if (member.required === true && value[name] === undefined) list.problem(pointer(path, name), "is missing");
  }
}

/** Two unknown members are mistakes with a known fix; the others come from newer versions and are dropped. */
function unknownMember(name: string, member: unknown, at: string, parent: string, list: ProblemList): void {
  if (parent === "/uses" && isRecord(member)) {
    list.problem(
      at,
      `the alias ${name} stands directly under uses`,
      `write it as uses.required.${name} or uses.optional.${name}`,
    );
  } else if (at === "/resources/streams") {
    list.warn(
      at,
      "streams are not a resource and are dropped",
      "declare events, jobs or a KV bucket; their streams are provisioned for you",
    );
  } else {
    list.warn(at, `${name} is not a member this version knows; it is dropped`);
  }
}

function checkMap(value: unknown, shape: Extract<Shape, { kind: "map" }>, path: string, context: Context): void {
  const { list } = context;
  if (!isRecord(value)) {
    list.problem(path, `must be an object, not ${brief(value)}`);
    return;
  }
  const entries = Object.entries(value);
  if (entries.length > shape.limit) {
    list.problem(path, `holds ${entries.length} members; at most ${shape.limit} are allowed`);
    return;
  }
  for (const [key, member] of entries) {
    const at = pointer(path, key);
    if (!isName(shape.keys, key))
      list.problem(at, `${brief(key)} is not a valid name here`, `use ${NAME_RULES[shape.keys].rule}`);
    else if (RESERVED_NAMES.has(key)) list.problem(at, `the name ${key} is reserved`, "choose another name");
    check(member, shape.of, at, context);
  }
}

/** Names every JavaScript object has, and the one that makes an object look like a promise. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  "prototype",
  "then",
]);

function checkList(value: unknown, of: Shape, path: string, context: Context): void {
  const { list } = context;
  if (!Array.isArray(value)) {
    list.problem(path, `must be a list, not ${brief(value)}`);
    return;
  }
  if (value.length > LIMITS.listItems.value) {
    list.problem(
      path,
      `holds ${value.length} entries; at most ${LIMITS.listItems.value} are allowed`,
      LIMITS.listItems.reason,
    );
    return;
  }
  value.forEach((item: unknown, index) => check(item, of, pointer(path, index), context));
}

function brief(value: unknown): string {
  if (isRecord(value)) return "an object";
  if (Array.isArray(value)) return "a list";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
