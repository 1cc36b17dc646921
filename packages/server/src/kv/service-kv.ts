import type { Link } from "@trellis/client/internal";
import type { AnyContract, Bindings, IfRequired, KvOf } from "@trellis/contracts";
import { ServiceSetupError } from "../registrars.ts";
import { createKv } from "./kv.ts";
import type { Kv } from "./kv.ts";
import type { Migrate } from "./kv-values.ts";

/** The buckets of a contract: `service.kv.<alias>`; one it can live without may be `undefined`. */
export type ServiceKv<C extends AnyContract> = {
  readonly [A in keyof KvOf<C>]: IfRequired<KvOf<C>[A], Kv<KvOf<C>[A]["value"]>>;
};

/** What turns stored values that no longer fit the schema into ones that do, by alias. */
export type KvMigrations<C extends AnyContract> = {
  readonly [A in keyof KvOf<C>]?: Migrate<KvOf<C>[A]["value"]>;
};

/** Every bucket of the contract; each is opened when it is first used. */
export function serviceKv<C extends AnyContract>(options: {
  readonly contract: C;
  readonly link: Link;
  readonly bindings: () => Bindings;
  readonly migrations?: KvMigrations<C> | undefined;
}): ServiceKv<C> {
  const { contract, link, bindings } = options;
  const migrations: { readonly [alias: string]: Migrate<unknown> | undefined } = options.migrations ?? {};
  const buckets: { [alias: string]: Kv | undefined } = {};
  for (const [alias, declared] of Object.entries(contract.manifest.resources?.kv ?? {})) {
    let opened: Kv | undefined;
    const binding = () => bindings().kv[alias];
    Object.defineProperty(buckets, alias, {
      enumerable: true,
      get(): Kv | undefined {
        const bound = binding();
        if (bound === undefined) {
          if (declared.required === false) return undefined;
          throw missingResource(contract.id, "KV bucket", alias);
        }
        opened ??= createKv<unknown>({
          link,
          binding: () => binding() ?? bound,
          schema: contract.manifest.schemas?.[declared.schema.schema] ?? false,
          migrate: migrations[alias],
        });
        return opened;
      },
    });
  }
  // The aliases and value types are those of the contract this was built from, which types cannot follow.
  return buckets as ServiceKv<C>;
}

/** A required resource that the platform did not bind. */
export function missingResource(contractId: string, what: string, alias: string): ServiceSetupError {
  return new ServiceSetupError(
    "missing_resource",
    `The ${what} ${alias} of ${contractId} is not bound: the platform has not made it for this deployment. Look at \`trellis svc show\` for what is wrong with its resources.`,
  );
}
