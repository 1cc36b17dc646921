/**
 * JSON pointers into a payload, in the type system and in JSON Schema: an event's parameters must lead to a value
 * that fits into one token of a subject.
 */
import type { Json, JsonSchema } from "./manifest.ts";

/** `true` when a pointer leads to a scalar of the payload, or when the types cannot tell. */
export type Resolves<Payload, Pointer> = Pointer extends `/${infer Path}` ? IsScalar<At<Payload, Path>> : false;

/** The pointers of the first level, for messages and completion. */
export type PointersOf<Payload> = unknown extends Payload ? `/${string}` : Payload extends object ? FirstLevel<Payload> : never;

/** As keys, so that messages list the pointers instead of naming this type. */
type FirstLevel<Payload> = keyof { readonly [K in keyof Payload & string as IsScalar<Payload[K]> extends true ? `/${K}` : never]: true };

interface Missing {
  readonly "~missing": true;
}

type At<T, Path extends string> = unknown extends T ? unknown : Path extends `${infer Head}/${infer Tail}` ? At<Step<T, Head>, Tail> : Step<T, Path>;

type Step<T, Key extends string> = Key extends `${string}~${string}`
  ? unknown
  : T extends readonly (infer Item)[]
    ? Key extends `${number}`
      ? Item
      : Missing
    : Key extends keyof T
      ? T[Key]
      : T extends null | undefined
        ? never
        : Missing;

type IsScalar<T> = [T] extends [never] ? false : unknown extends T ? true : [Extract<T, object>] extends [never] ? true : false;

/** Whether a pointer leads to a scalar in what the schema describes: the same rule at run time. */
export function resolvesToScalar(schema: JsonSchema, pointer: string): boolean {
  if (!pointer.startsWith("/")) return false;
  let at: readonly JsonSchema[] = [schema];
  for (const token of pointer.slice(1).split("/")) {
    at = at.flatMap((one) => step(one, token.replaceAll("~1", "/").replaceAll("~0", "~")));
    if (at.length === 0) return false;
  }
  return at.every(mayBeScalar);
}

/** Every scalar pointer of the first level: what a message can offer. */
export function scalarPointers(schema: JsonSchema): readonly string[] {
  return alternatives(schema).flatMap((one) => {
    const properties = keyword(one, "properties");
    return isSchemaObject(properties) ? Object.keys(properties).map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`) : [];
  }).filter((pointer) => resolvesToScalar(schema, pointer));
}

function step(schema: JsonSchema, token: string): readonly JsonSchema[] {
  const found: JsonSchema[] = [];
  for (const one of alternatives(schema)) {
    const properties = keyword(one, "properties");
    const named = isSchemaObject(properties) && Object.hasOwn(properties, token) ? properties[token] : undefined;
    if (isSchema(named)) found.push(named);
    else if (one === true || !constrains(one)) found.push(true);
    else found.push(...openMembers(one, token));
  }
  return found;
}

function openMembers(schema: JsonSchema, token: string): readonly JsonSchema[] {
  const items = keyword(schema, "items");
  if (items !== undefined && /^(0|[1-9][0-9]*)$/.test(token)) {
    const item = Array.isArray(items) ? (items[Number(token)] ?? keyword(schema, "additionalItems")) : items;
    return isSchema(item) && item !== false ? [item] : [];
  }
  const patterns = keyword(schema, "patternProperties");
  const additional = keyword(schema, "additionalProperties");
  const open = [...(isSchemaObject(patterns) ? Object.values(patterns) : []), additional];
  return open.filter((one) => isSchema(one)).filter((one) => one !== false);
}

/** A schema and everything it is combined of. */
function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  const combined = ["anyOf", "oneOf", "allOf"].flatMap((name) => {
    const list = keyword(schema, name);
    return Array.isArray(list) ? list.filter((one) => isSchema(one)).flatMap(alternatives) : [];
  });
  return combined.length > 0 && !constrains(schema) ? combined : [schema, ...combined];
}

/** Whether a schema says by itself what its value looks like. */
function constrains(schema: JsonSchema): boolean {
  return ["type", "properties", "items", "additionalProperties", "patternProperties", "const", "enum"].some((name) => keyword(schema, name) !== undefined);
}

function mayBeScalar(schema: JsonSchema): boolean {
  return alternatives(schema).every((one) => {
    const type = keyword(one, "type");
    return Array.isArray(type) ? !type.includes("object") && !type.includes("array") : type !== "object" && type !== "array";
  });
}

function keyword(schema: JsonSchema, name: string): Json | undefined {
  return typeof schema === "object" && Object.hasOwn(schema, name) ? schema[name] : undefined;
}

function isSchema(value: Json | undefined): value is JsonSchema {
  return typeof value === "boolean" || isSchemaObject(value);
}

function isSchemaObject(value: Json | undefined): value is { readonly [keyword: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
