import { compileSchema } from "@trellis/contracts";
import type { CompiledSchema, JsonSchema } from "@trellis/contracts";
import { KvError } from "./kv-error.ts";

/** Makes a value of today's schema out of one that an older version of the contract stored. */
export type Migrate<V> = (stored: unknown, key: string) => V;

/**
 * Values as JSON, checked both ways. A stored value that does not fit goes through the contract's migration, if there is
 * one; it is written in its new form by the next put of that key, never by a read.
 */
export class KvValues<V> {
  readonly #schema: CompiledSchema;
  readonly #migrate: Migrate<V> | undefined;

  constructor(schema: JsonSchema, migrate: Migrate<V> | undefined) {
    this.#schema = compileSchema(schema);
    this.#migrate = migrate;
  }

  encode(key: string, value: V): Uint8Array {
    if (!this.#schema.check(value)) throw this.#invalid(key, value, `The value for ${key} does not fit its schema`);
    return encoder.encode(JSON.stringify(value));
  }

  decode(key: string, data: Uint8Array): V {
    let stored: unknown;
    try {
      stored = JSON.parse(decoder.decode(data));
    } catch (cause) {
      throw new KvError("invalid_value", `What is stored under ${key} is not JSON.`, { key, cause });
    }
    if (this.#fits(stored)) return stored;
    if (this.#migrate === undefined)
      throw this.#invalid(
        key,
        stored,
        `What is stored under ${key} does not fit its schema, and no migration is declared`,
      );
    let migrated: unknown;
    try {
      migrated = this.#migrate(stored, key);
    } catch (cause) {
      throw new KvError("invalid_value", `What is stored under ${key} could not be migrated: the migration threw.`, {
        key,
        cause,
      });
    }
    if (this.#fits(migrated)) return migrated;
    throw this.#invalid(key, migrated, `What is stored under ${key} does not fit its schema after its migration`);
  }

  /** The type of a value is what its schema says. */
  #fits(value: unknown): value is V {
    return this.#schema.check(value);
  }

  #invalid(key: string, value: unknown, what: string): KvError {
    const issues = this.#schema.errors(value);
    const [first] = issues;
    return new KvError(
      "invalid_value",
      `${what}${first === undefined ? "" : `: ${first.path === "" ? "it" : first.path} ${first.message}`}.`,
      { key, issues },
    );
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
