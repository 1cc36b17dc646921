/** What the authoring steps share while one contract is being made: its problems, and how members are read. */
import { suggestName } from "./did-you-mean.ts";
import { isRecord, pointer } from "./schema-problems.ts";
import type { Problem } from "./schema-problems.ts";

/** A JSON object under construction. */
export interface Draft {
  [member: string]: unknown;
}

/** Collects every problem, so that an author sees them all at once. */
export class Authoring {
  readonly problems: Problem[] = [];

  problem(path: string, message: string, fix: string): void {
    this.problems.push({ path, message, fix });
  }

  /** The members of an object; reports what nobody knows and what is not an object. Absent members are left out. */
  members(value: unknown, path: string, known: readonly string[], what: string): Draft {
    const draft: Draft = {};
    for (const [name, member] of this.entries(value, path)) {
      if (known.includes(name)) draft[name] = member;
      else this.problem(pointer(path, name), `"${name}" is not a member of ${what}`, suggestName(name, known, "remove it"));
    }
    return draft;
  }

  /** The entries of an object with free names. */
  entries(value: unknown, path: string): readonly (readonly [string, unknown])[] {
    if (value === undefined) return [];
    if (isRecord(value)) return Object.entries(value).filter(([, member]) => member !== undefined);
    this.problem(path, "this must be an object", "write { name: … }");
    return [];
  }

  /** Checks each name of a list against the known ones. */
  names(list: unknown, path: string, known: readonly string[], what: string, nothing: string): readonly string[] {
    if (list === undefined) return [];
    if (!Array.isArray(list)) {
      this.problem(path, `this must be a list of ${what}s`, 'write ["Name", …]');
      return [];
    }
    const found: string[] = [];
    list.forEach((name: unknown, index) => {
      if (typeof name === "string" && known.includes(name)) found.push(name);
      else this.problem(pointer(path, index), `there is no ${what} ${show(name)}`, typeof name === "string" ? suggestName(name, known, nothing) : "write its name");
    });
    return found;
  }
}

/** A value in a message: short, quoted. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
