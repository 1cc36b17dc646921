import type { Link } from "@trellis/client/internal";
import type { AnyContract, Bindings, IfRequired, StoreBinding, StoreOf } from "@trellis/contracts";
import { portableSha256Stream } from "@trellis/protocol";
import type { Sha256Stream } from "@trellis/protocol";
import { missingResource } from "../kv/service-kv.ts";
import type { Log } from "../log.ts";
import { sweepForEver, SWEEP_TIMES } from "./abandoned-uploads.ts";
import type { StoreParts } from "./store-parts.ts";
import { storeOf, storeParts } from "./store.ts";
import type { Store } from "./store.ts";

/** The object stores of a contract: `service.store.<alias>`; one it can live without may be `undefined`. */
export type ServiceStore<C extends AnyContract> = {
  readonly [A in keyof StoreOf<C>]: IfRequired<StoreOf<C>[A], Store>;
};

/** The stores of a service, for its handlers and for what else works on them. */
export interface ServiceStores<C extends AnyContract> {
  readonly store: ServiceStore<C>;
  /** What works on the store of this alias; `undefined` while the platform has none. */
  partsOf(alias: string): StoreParts | undefined;
}

/** Every object store of the contract; each is opened when it is first used. */
export function serviceStore<C extends AnyContract>(options: {
  readonly contract: C;
  readonly link: Link;
  readonly bindings: () => Bindings;
  readonly log: Log;
  readonly newHash?: (() => Sha256Stream) | undefined;
}): ServiceStores<C> {
  const { contract, link, bindings, log } = options;
  const opened = new Map<string, { readonly parts: StoreParts; readonly store: Store }>();
  const open = (alias: string): { readonly parts: StoreParts; readonly store: Store } | undefined => {
    const bound = bindings().store[alias];
    if (bound === undefined) return undefined;
    const known = opened.get(alias);
    if (known !== undefined) return known;
    const binding = (): StoreBinding => bindings().store[alias] ?? bound;
    const parts = storeParts({ link, binding, newHash: options.newHash ?? portableSha256Stream });
    sweepForEver(parts, SWEEP_TIMES, (error) =>
      log.warn("Remains of broken uploads could not be removed; it is tried again.", {
        store: alias,
        error: error instanceof Error ? error.message : String(error),
      }),
    );
    const made = { parts, store: storeOf(parts) };
    opened.set(alias, made);
    return made;
  };
  const stores: { [alias: string]: Store | undefined } = {};
  for (const [alias, declared] of Object.entries(contract.manifest.resources?.store ?? {})) {
    Object.defineProperty(stores, alias, {
      enumerable: true,
      get(): Store | undefined {
        const store = open(alias)?.store;
        if (store === undefined && declared.required !== false)
          throw missingResource(contract.id, "object store", alias);
        return store;
      },
    });
  }
  // The aliases are those of the contract this was built from, which types cannot follow.
  return { store: stores as ServiceStore<C>, partsOf: (alias) => open(alias)?.parts };
}
