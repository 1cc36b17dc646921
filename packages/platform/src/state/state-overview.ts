import { contractName } from "@trellis/contracts";
import type { ControlContext } from "../authority/context.ts";
import type { StateBucket } from "./state-bucket.ts";
import { ownerFilter, type StateOwner, storeOf } from "./state-place.ts";

/** One store that holds something. */
export interface StoreSummary {
  readonly contract: string;
  readonly store: string;
  readonly kind: "value" | "map";
  readonly entries: number;
  readonly digest?: string;
}

/** Which stores of which contracts hold something for an owner; found by the names of its entries alone. */
export async function stateOverview(
  context: ControlContext,
  bucket: StateBucket,
  owner: StateOwner,
): Promise<readonly StoreSummary[]> {
  const found = new Map<string, { contract: string; store: string; kind: "value" | "map"; entries: number }>();
  for (const name of await bucket.names(ownerFilter(owner))) {
    const place = storeOf(name);
    if (place === undefined) continue;
    const id = `${place.contract} ${place.store} ${place.kind}`;
    const known = found.get(id);
    if (known === undefined) found.set(id, { ...place, entries: 1 });
    else known.entries += 1;
  }
  return [...found.values()]
    .sort((a, b) => compare(a.contract, b.contract) || compare(a.store, b.store))
    .map((summary) => {
      const digest = newestContract(context, summary);
      return { ...summary, ...(digest === undefined ? {} : { digest }) };
    });
}

/** The newest contract anybody presented under this name that declares the store. */
function newestContract({ tables }: ControlContext, { contract, store, kind }: StoreSummary): string | undefined {
  let newest: { readonly digest: string; readonly at: number } | undefined;
  for (const { value } of tables.contracts.all()) {
    const { contractId, manifest, digest, firstSeenAt: at } = value;
    const stores = manifest.state ?? {};
    if (contractName(contractId) !== contract || !Object.hasOwn(stores, store)) continue;
    if (stores[store]?.kind === kind && (newest === undefined || at > newest.at)) newest = { digest, at };
  }
  return newest?.digest;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
