import { compileSchema } from "@trellis/contracts";
import type { CompiledSchema, Manifest } from "@trellis/contracts";
import { TransportError, ValidationError } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { StateUnreadable } from "@trellis/sdk/state";

/** Migrations once their types have done their work. */
export interface AnyMigrations {
  readonly [version: string]: (value: unknown) => unknown;
}

/** An entry as `trellis.state@v1` tells it; the call has checked it against the contract. */
export interface WireEntry {
  readonly key?: string;
  readonly value: unknown;
  readonly revision: number;
  readonly at: string;
  readonly stateVersion: string;
}

/** An entry that could not be read there. */
export interface WireUnreadable {
  readonly key?: string;
  readonly revision: number;
  readonly stateVersion: string;
  readonly why: string;
}

/** An entry as it is handed out. */
export type UntypedRead = {
  readonly key?: string;
  readonly revision: number;
  readonly at: Date;
} & (
  | { readonly value: unknown }
  | { readonly migrationRequired: { readonly stateVersion: string; readonly value: unknown } }
);

/** One store as its contract declares it: checks what goes in and reads what comes out. */
export class StoredState {
  readonly store: string;
  readonly kind: "value" | "map";
  readonly #version: string;
  readonly #schemas: ReadonlyMap<string, () => CompiledSchema>;
  readonly #migrations: AnyMigrations | undefined;

  constructor(manifest: Manifest, store: string, migrations?: AnyMigrations) {
    const declared = manifest.state?.[store];
    this.store = store;
    this.kind = declared?.kind ?? "value";
    this.#version = declared?.stateVersion ?? "v1";
    this.#migrations = migrations;
    const accepted = Object.entries(declared?.acceptedVersions ?? {});
    const versions = declared === undefined ? [] : [...accepted, [this.#version, declared.schema] as const];
    this.#schemas = new Map(
      versions.map(([version, ref]) => [version, () => compileSchema(manifest.schemas?.[ref.schema] ?? false)]),
    );
  }

  /** What is wrong with a value to be stored. */
  problem(value: unknown): ValidationError | undefined {
    return this.#misfit(this.#version, value, "The value");
  }

  read(entry: WireEntry): Result<UntypedRead, ValidationError | TransportError> {
    const { key, value, revision, stateVersion } = entry;
    const facts = { ...(key === undefined ? {} : { key }), revision, at: new Date(entry.at) };
    if (!this.#schemas.has(stateVersion) || this.#misfit(stateVersion, value, "The value") !== undefined)
      return err(
        new TransportError("invalid_reply", {
          message: `What the platform answered for the state ${this.store} is not of a version this contract reads.`,
        }),
      );
    if (stateVersion === this.#version) return ok({ ...facts, value });
    const migrate = this.#migrations?.[stateVersion];
    if (migrate === undefined) return ok({ ...facts, migrationRequired: { stateVersion, value } });
    const migrated = migrate(value);
    const problem = this.#misfit(
      this.#version,
      migrated,
      `What the migration made of a value of version ${stateVersion}`,
    );
    return problem === undefined ? ok({ ...facts, value: migrated }) : err(problem);
  }

  unreadable({ key, stateVersion, revision, why }: WireUnreadable): InstanceType<typeof StateUnreadable> {
    return new StateUnreadable({
      store: this.store,
      ...(key === undefined ? {} : { key }),
      stateVersion,
      revision,
      why,
    });
  }

  #misfit(version: string, value: unknown, what: string): ValidationError | undefined {
    const schema = this.#schemas.get(version)?.();
    if (schema?.check(value) === true) return undefined;
    const issues = schema?.errors(value) ?? [];
    const [issue] = issues;
    const where = issue === undefined || issue.path === "" ? "" : ` at ${issue.path}`;
    return new ValidationError(issues, {
      message: `${what} does not fit the state ${this.store}${where}: ${issue?.message ?? "no schema is declared"}.`,
    });
  }
}
