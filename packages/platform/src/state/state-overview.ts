import { contractName } from "@trellis/contracts";
import type { ControlContext } from "../authority/context.ts";
import type { StateBucket } from "./state-bucket.ts";
import { ownerFilter, type StateOwner, type StateStore, storeOf } from "./state-place.ts";

/** One store that holds something. */
export interface StoreSummary {
  readonly contract: string;
  readonly store: string;
  readonly kind: "value" | "map";
  readonly entries: number;
  readonly digest?: string;
}

/**
 * Which stores of which contracts hold something for an owner; found by the names of its entries alone. With a contract
 * also the stores it declares that hold nothing.
 */
export async function stateOverview(
  { tables }: Pick<ControlContext, "tables">,
  bucket: StateBucket,
  owner: StateOwner,
  contract?: string,
): Promise<readonly StoreSummary[]> {
  const found = new Map<string, Summary>();
  const summaryOf = (place: Pick<StateStore, "contract" | "store" | "kind">): Summary => {
    const id = `${place.contract} ${place.store} ${place.kind}`;
    let summary = found.get(id);
    if (summary === undefined) found.set(id, (summary = { ...place, entries: 0 }));
    return summary;
  };
  for (const name of await bucket.names(ownerFilter(owner, contract))) {
    const place = storeOf(name);
    if (place !== undefined) summaryOf(place).entries += 1;
  }
  const contracts = new Set(Array.from(found.values(), (each) => each.contract));
  // Of the contracts that were presented under a name, the newest that declares a store tells what it means.
  const known = [...tables.contracts.all()].map(({ value }) => value).sort((a, b) => a.firstSeenAt - b.firstSeenAt);
  for (const { contractId, manifest, digest } of known) {
    const name = contractName(contractId);
    if (name !== contract && !contracts.has(name)) continue;
    for (const [store, { kind }] of Object.entries(manifest.state ?? {})) {
      const id = `${name} ${store} ${kind}`;
      if (name === contract || found.has(id)) summaryOf({ contract: name, store, kind }).digest = digest;
    }
  }
  return [...found.values()].sort((a, b) => compare(a.contract, b.contract) || compare(a.store, b.store));
}

type Summary = { -readonly [K in keyof StoreSummary]: StoreSummary[K] };

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
