import { StateUnreadable } from "@trellis/sdk";
import type { KvEntry, KvStored } from "@trellis/server/node";
import { isoTime } from "../handlers/handler.ts";
import type { DeclaredState } from "./declared-state.ts";
import type { StateRecord } from "./state-bucket.ts";
import { entryOf } from "./state-place.ts";

/** An entry as the caller's contract reads it, or why it cannot. */
export type StateRead =
  | {
      readonly readable: true;
      readonly entry: StoredFacts & { readonly value: unknown; readonly migrationRequired: boolean };
    }
  | { readonly readable: false; readonly entry: StoredFacts & { readonly why: string } };

interface StoredFacts {
  readonly key?: string;
  readonly revision: number;
  readonly at: string;
  readonly stateVersion: string;
}

/** Nothing is given out that does not fit the schema of the version it was written as. */
export function readState(declared: DeclaredState, stored: KvStored<StateRecord>): StateRead {
  const key = entryOf(declared.place, stored.key);
  const facts = { ...(key === undefined ? {} : { key }), revision: stored.revision, at: isoTime(stored.at.getTime()) };
  if (stored.type === "invalid")
    return { readable: false, entry: { ...facts, stateVersion: "", why: "it was not stored by this platform" } };
  const { version, value } = stored.value;
  const schema = declared.schemaOf(version);
  const why =
    schema === undefined
      ? `it was written as version ${version}, which this version of the contract does not accept`
      : schema.check(value)
        ? undefined
        : `it does not fit the schema of version ${version}: ${firstIssue(schema.errors(value))}`;
  return why === undefined
    ? {
        readable: true,
        entry: { ...facts, stateVersion: version, value, migrationRequired: version !== declared.version },
      }
    : { readable: false, entry: { ...facts, stateVersion: version, why } };
}

/** The same as an error, for whoever asked for this entry alone. */
export function unreadable(store: string, entry: Extract<StateRead, { readable: false }>["entry"]) {
  const { key, stateVersion, revision, why } = entry;
  return new StateUnreadable({ store, ...(key === undefined ? {} : { key }), stateVersion, revision, why });
}

export function stored(entry: KvEntry<StateRecord>): KvStored<StateRecord> {
  return { type: "put", ...entry };
}

function firstIssue(issues: readonly { readonly path: string; readonly message: string }[]): string {
  const [first] = issues;
  return first === undefined ? "it does not match" : `${first.path === "" ? "the value" : first.path} ${first.message}`;
}
