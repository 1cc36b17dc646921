/** What may follow each keyword of JSON Schema 2019-09, for everything that walks a schema. */
export type KeywordShape =
  | "schema"
  | "schemaList"
  | "schemaOrList"
  | "schemaMap"
  | "dependencies"
  | "number"
  | "positive"
  | "count"
  | "boolean"
  | "text"
  | "textList"
  | "textListMap"
  | "pattern"
  | "types"
  | "list"
  | "any";

/** The keywords that decide whether a value is valid. Everything else is annotation. */
export const VALIDATION_KEYWORDS: ReadonlyMap<string, KeywordShape> = new Map<string, KeywordShape>([
  ["type", "types"],
  ["enum", "list"],
  ["const", "any"],
  ["multipleOf", "positive"],
  ["maximum", "number"],
  ["exclusiveMaximum", "number"],
  ["minimum", "number"],
  ["exclusiveMinimum", "number"],
  ["maxLength", "count"],
  ["minLength", "count"],
  ["pattern", "pattern"],
  ["format", "text"],
  ["items", "schemaOrList"],
  ["additionalItems", "schema"],
  ["unevaluatedItems", "schema"],
  ["maxItems", "count"],
  ["minItems", "count"],
  ["uniqueItems", "boolean"],
  ["contains", "schema"],
  ["maxContains", "count"],
  ["minContains", "count"],
  ["properties", "schemaMap"],
  ["patternProperties", "schemaMap"],
  ["additionalProperties", "schema"],
  ["unevaluatedProperties", "schema"],
  ["propertyNames", "schema"],
  ["required", "textList"],
  ["maxProperties", "count"],
  ["minProperties", "count"],
  ["dependentRequired", "textListMap"],
  ["dependentSchemas", "schemaMap"],
  ["dependencies", "dependencies"],
  ["allOf", "schemaList"],
  ["anyOf", "schemaList"],
  ["oneOf", "schemaList"],
  ["not", "schema"],
  ["if", "schema"],
  ["then", "schema"],
  ["else", "schema"],
]);

/** Keywords that would make a schema depend on something outside itself, or that another draft defines. */
export const REFUSED_KEYWORDS: ReadonlyMap<string, string> = new Map([
  ["$ref", "write the referenced schema in its place: schemas are self-contained"],
  ["$recursiveRef", "write the schema out to the depth you need: schemas are self-contained"],
  ["$dynamicRef", "write the schema out to the depth you need: schemas are self-contained"],
  [
    "prefixItems",
    "this keyword is from draft 2020-12; write the list of schemas under items, and additionalItems for the rest",
  ],
]);

/** The names a JSON Schema type may have. */
export const TYPE_NAMES: readonly string[] = ["null", "boolean", "object", "array", "number", "string", "integer"];

/**
 * Property names every JavaScript object seems to have; they are refused wherever a name is a key. `constructor` is
 * an ordinary word and is handled exactly, so it stays.
 */
export const UNSAFE_KEYS: ReadonlySet<string> = new Set(
  Object.getOwnPropertyNames(Object.prototype).filter((name) => name !== "constructor"),
);
