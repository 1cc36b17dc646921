import { LIMITS } from "./limits.ts";
import { pointer } from "./schema-problems.ts";
import type { Problem } from "./schema-problems.ts";

/** Input read as JSON, or the reasons it is refused before anything looks inside. */
export type BoundedJson =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Reads untrusted JSON (as text or as a value) and refuses what is too large, too deep or not exactly JSON. Nothing
 * here recurses, and the first limit that is passed ends the walk: the cost of a refusal is bounded too.
 */
export function boundedJson(input: unknown): BoundedJson {
  if (typeof input !== "string") return bounded(input);
  if (input.length > LIMITS.manifestBytes.value) return refuse("", tooLarge());
  try {
    const value: unknown = JSON.parse(input);
    return bounded(value);
  } catch (cause) {
    return refuse(
      "",
      `the text is not JSON: ${cause instanceof Error ? cause.message : "it cannot be read"}`,
      "check for missing commas, quotes and brackets",
    );
  }
}

interface Pending {
  readonly value: unknown;
  readonly path: string;
  readonly depth: number;
}

function bounded(root: unknown): BoundedJson {
  const pending: Pending[] = [{ value: root, path: "", depth: 0 }];
  let bytes = 0;
  let values = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, path, depth } = next;
    values += 1;
    bytes += 2 + (typeof value === "string" ? utf8Length(value) : typeof value === "object" ? 0 : 2);
    if (depth > LIMITS.manifestDepth.value) {
      return refuse(
        shorten(path),
        `the manifest is nested deeper than ${LIMITS.manifestDepth.value} levels`,
        LIMITS.manifestDepth.reason,
      );
    }
    if (bytes > LIMITS.manifestBytes.value) return refuse("", tooLarge(), LIMITS.manifestBytes.reason);
    const wrong = notJson(value);
    if (wrong !== undefined) return refuse(shorten(path), wrong);
    if (typeof value !== "object" || value === null) continue;
    const count = Array.isArray(value) ? value.length : Object.keys(value).length;
    if (values + pending.length + count > LIMITS.manifestValues.value) {
      return refuse(shorten(path), tooMany(), LIMITS.manifestValues.reason);
    }
    const members = Array.isArray(value) ? value.entries() : Object.entries(value);
    for (const [key, member] of members) {
      if (typeof key === "string") {
        bytes += utf8Length(key) + 3;
        if (key === "__proto__")
          return refuse(shorten(path), "a member cannot be called __proto__", "choose another name");
        if (!key.isWellFormed()) return refuse(shorten(path), "a name holds half of a surrogate pair");
        if (member === undefined) continue;
      }
      pending.push({ value: member, path: pointer(path, key), depth: depth + 1 });
    }
  }
  return { ok: true, value: root };
}

function notJson(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? undefined : "the text holds half of a surrogate pair";
    case "number":
      if (!Number.isFinite(value)) return `${value} is not a JSON number`;
      return Object.is(value, -0) ? "negative zero has no canonical form; write 0" : undefined;
    case "boolean":
      return undefined;
    case "object": {
      if (value === null || Array.isArray(value)) return undefined;
      const prototype: unknown = Object.getPrototypeOf(value);
      return prototype === null || prototype === Object.prototype ? undefined : "only plain objects are JSON";
    }
    default:
      return `a ${typeof value} is not JSON`;
  }
}

function utf8Length(text: string): number {
  // Long texts are counted as if every unit were one byte until the limit is passed anyway.
  if (text.length > LIMITS.manifestBytes.value) return text.length;
  let bytes = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : unit >= 0xd800 && unit <= 0xdfff ? 2 : 3;
  }
  return bytes;
}

function tooMany(): string {
  return `the manifest holds more than ${LIMITS.manifestValues.value} values`;
}

function tooLarge(): string {
  return `the manifest is larger than ${LIMITS.manifestBytes.value / 1024} KiB`;
}

function shorten(path: string): string {
  return path.length > 200 ? `${path.slice(0, 200)}…` : path;
}

function refuse(path: string, message: string, fix?: string): BoundedJson {
  return { ok: false, problems: [fix === undefined ? { path, message } : { path, message, fix }] };
}
