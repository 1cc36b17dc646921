import type { Json } from "./manifest.ts";

/** Why a value has no canonical form, and where it is (a JSON pointer). */
export class CanonicalError extends Error {
  override readonly name = "CanonicalError";
  readonly code: "not_finite" | "negative_zero" | "lone_surrogate" | "not_json" | "too_deep";
  readonly path: string;

  constructor(code: CanonicalError["code"], path: string, message: string) {
    super(`${message} at ${path === "" ? "the top" : path}`);
    this.code = code;
    this.path = path;
  }
}

/** Deeper values are refused rather than risk the stack; no manifest or payload comes near. */
const DEPTH_LIMIT = 512;

/**
 * Canonical JSON (RFC 8785): keys in order of UTF-16 code units, no white space, strings and numbers as
 * ECMAScript writes them. What JSON cannot say exactly is refused instead of being changed silently.
 */
export function canonicalJson(value: Json): string {
  return write(value, "", 0);
}

function write(value: unknown, path: string, depth: number): string {
  if (depth > DEPTH_LIMIT) throw new CanonicalError("too_deep", path, `nested deeper than ${DEPTH_LIMIT} levels`);
  switch (typeof value) {
    case "string":
      return writeString(value, path);
    case "number":
      return writeNumber(value, path);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return writeArray(value, path, depth);
      return writeObject(value, path, depth);
    default:
      throw new CanonicalError("not_json", path, `a ${typeof value} is not JSON`);
  }
}

function writeString(value: string, path: string): string {
  if (!value.isWellFormed()) {
    throw new CanonicalError("lone_surrogate", path, "the text holds half of a surrogate pair");
  }
  return JSON.stringify(value);
}

function writeNumber(value: number, path: string): string {
  if (!Number.isFinite(value)) throw new CanonicalError("not_finite", path, `${value} is not a JSON number`);
  if (Object.is(value, -0)) throw new CanonicalError("negative_zero", path, "negative zero has no canonical form");
  return JSON.stringify(value);
}

function writeArray(items: readonly unknown[], path: string, depth: number): string {
  const parts: string[] = [];
  for (let index = 0; index < items.length; index += 1) {
    parts.push(write(items[index], `${path}/${index}`, depth + 1));
  }
  return `[${parts.join(",")}]`;
}

function writeObject(value: object, path: string, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) {
    throw new CanonicalError("not_json", path, "only plain objects are JSON");
  }
  // The default sort of strings is by UTF-16 code units, which is the order RFC 8785 asks for.
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const parts = members.map(([key, member]) => {
    const at = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return `${writeString(key, at)}:${write(member, at, depth + 1)}`;
  });
  return `{${parts.join(",")}}`;
}
