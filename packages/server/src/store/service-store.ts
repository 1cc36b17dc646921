import type { Link } from "@trellis/client/internal";
import type { AnyContract, Bindings, IfRequired, StoreOf } from "@trellis/contracts";
import { portableSha256Stream } from "@trellis/protocol";
import type { Sha256Stream } from "@trellis/protocol";
import { missingResource } from "../kv/service-kv.ts";
import type { Log } from "../log.ts";
import { createStore } from "./store.ts";
import type { Store } from "./store.ts";

/** The object stores of a contract: `service.store.<alias>`; one it can live without may be `undefined`. */
export type ServiceStore<C extends AnyContract> = {
  readonly [A in keyof StoreOf<C>]: IfRequired<StoreOf<C>[A], Store>;
};

/** Every object store of the contract; each is opened when it is first used. */
export function serviceStore<C extends AnyContract>(options: {
  readonly contract: C;
  readonly link: Link;
  readonly bindings: () => Bindings;
  readonly log: Log;
  readonly newHash?: (() => Sha256Stream) | undefined;
}): ServiceStore<C> {
  const { contract, link, bindings, log } = options;
  const stores: { [alias: string]: Store | undefined } = {};
  for (const [alias, declared] of Object.entries(contract.manifest.resources?.store ?? {})) {
    let opened: Store | undefined;
    const binding = () => bindings().store[alias];
    Object.defineProperty(stores, alias, {
      enumerable: true,
      get(): Store | undefined {
        const bound = binding();
        if (bound === undefined) {
          if (declared.required === false) return undefined;
          throw missingResource(contract.id, "object store", alias);
        }
        opened ??= createStore({
          link,
          binding: () => binding() ?? bound,
          newHash: options.newHash ?? portableSha256Stream,
          onTrouble: (error) =>
            log.warn("Remains of broken uploads could not be removed; it is tried again.", {
              store: alias,
              error: error instanceof Error ? error.message : String(error),
            }),
        });
        return opened;
      },
    });
  }
  // The aliases are those of the contract this was built from, which types cannot follow.
  return stores as ServiceStore<C>;
}
