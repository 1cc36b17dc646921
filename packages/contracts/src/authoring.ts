/** What the authoring steps share while one contract is being made: its problems, and how members are read. */
import type { AnyContract } from "./contract.ts";
import { suggestName } from "./did-you-mean.ts";
import type { ContractKind, JsonSchema, UseSelection } from "./manifest.ts";
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
      else
        this.problem(
          pointer(path, name),
          `"${name}" is not a member of ${what}`,
          suggestName(name, known, "remove it"),
        );
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

  /** Keeps the names of a list that are known. `absent` begins the sentence about the others: "there is no schema". */
  names(list: unknown, path: string, known: Known, absent: string): readonly string[] {
    if (list === undefined) return [];
    if (Array.isArray(list))
      return list.filter((name: unknown, index): name is string =>
        this.name(name, pointer(path, index), known, absent),
      );
    this.problem(path, "this must be a list of names", 'write ["Name", …]');
    return [];
  }

  /** Whether a name is known; reports it when it is not. */
  name(name: unknown, path: string, known: Known, absent: string): name is string {
    if (typeof name === "string" && known.names.includes(name)) return true;
    this.problem(
      path,
      `${absent} ${show(name)}`,
      typeof name === "string" ? suggestName(name, known.names, known.otherwise) : "write its name",
    );
    return false;
  }
}

/** What a name may be, and what to do when there is nothing it could be. */
export interface Known {
  readonly names: readonly string[];
  readonly otherwise: string;
}

/** The uses of a contract being made. */
export interface AuthoredUses {
  readonly required: { [alias: string]: UseSelection };
  readonly optional: { [alias: string]: UseSelection };
  readonly contracts: { [alias: string]: AnyContract };
}

/** What each step may refer to. */
export interface Declared {
  readonly id: string;
  readonly kind: ContractKind;
  readonly schemas: { readonly [name: string]: JsonSchema };
  /** Names of the schemas the author declared, broken ones included, so that one problem is not told twice. */
  readonly schemaNames: readonly string[];
  readonly errorTypes: readonly string[];
  /** Every capability a surface may require, as authors may write it. */
  readonly capabilities: readonly string[];
  readonly uses: AuthoredUses;
}

/** A value in a message: short, quoted. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
