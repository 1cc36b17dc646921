import type { AnyContract } from "@trellis/contracts";
// One by one: what a client does not need costs it neither time nor memory.
import { auth } from "@trellis/sdk/auth";
import { core } from "@trellis/sdk/core";
import { state } from "@trellis/sdk/state";

/** The contracts behind baseline uses, which a contract names without holding them. */
const PLATFORM_CONTRACTS: { readonly [id: string]: AnyContract } = {
  [auth.id]: auth,
  [core.id]: core,
  [state.id]: state,
};

/** The contract behind an alias; `undefined` when it was read from JSON without its dependencies. */
export function contractBehind(used: AnyContract["uses"][string]): AnyContract | undefined {
  return used.contract ?? (Object.hasOwn(PLATFORM_CONTRACTS, used.id) ? PLATFORM_CONTRACTS[used.id] : undefined);
}
