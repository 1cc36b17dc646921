import type { AnyErrorClass } from "./define-error.ts";
import { contractDigest } from "./digest.ts";
import type { ContractKind, Manifest, UseSelection, Uses } from "./manifest.ts";
import { normalizeManifest } from "./normalize.ts";
import type { ContractShape } from "./shape.ts";

/** What a contract takes from another: the names it will call, publish, subscribe to. */
export interface SelectionOf<S extends ContractShape> {
  readonly rpc?: { readonly call: readonly (keyof S["rpc"] & string)[] };
  readonly operations?: { readonly call: readonly (keyof S["operations"] & string)[] };
  readonly events?: {
    readonly publish?: readonly (keyof S["events"] & string)[];
    readonly subscribe?: readonly (keyof S["events"] & string)[];
  };
  readonly feeds?: { readonly subscribe: readonly (keyof S["feeds"] & string)[] };
}

/** A selection of any contract. */
export interface AnySelection {
  readonly rpc?: { readonly call: readonly string[] };
  readonly operations?: { readonly call: readonly string[] };
  readonly events?: { readonly publish?: readonly string[]; readonly subscribe?: readonly string[] };
  readonly feeds?: { readonly subscribe: readonly string[] };
}

/** Members of a selection that do not exist are type errors, which inference alone would let pass. */
type KnownSelection<Sel> = { readonly [K in Exclude<keyof Sel, keyof AnySelection>]: never } & {
  readonly [K in keyof Sel & keyof AnySelection]: {
    readonly [A in Exclude<keyof Sel[K], "call" | "publish" | "subscribe">]: never;
  };
};

/** The value `orders.use(...)` makes, for `uses.required.<alias>` or `uses.optional.<alias>`. */
export interface ContractUse<S extends ContractShape = ContractShape, Sel = AnySelection> {
  readonly contract: Contract<S>;
  readonly selection: Sel;
}

/** Any use; what `uses` accepts. */
export interface AnyUse {
  readonly contract: AnyContract;
  readonly selection: AnySelection;
}

/** One alias of a contract as the runtimes see it. */
export interface UsedContract {
  /** The id of the contract behind the alias. */
  readonly id: string;
  /** Undefined for baseline uses and for contracts read from JSON without their dependencies. */
  readonly contract: AnyContract | undefined;
  readonly selection: UseSelection;
  readonly required: boolean;
}

/** The part of a contract that does not depend on its types: what tools and runtimes take. */
export interface AnyContract {
  readonly id: string;
  readonly kind: ContractKind;
  /** Normalized; what the digest is of and what the control plane sees. */
  readonly manifest: Manifest;
  readonly digest: string;
  /** The classes of the errors it declares, by type; empty for contracts read from JSON. */
  readonly errors: { readonly [type: string]: AnyErrorClass };
  readonly uses: { readonly [alias: string]: UsedContract };
  /** For the type system only; never there at run time. */
  readonly "~shape"?: ContractShape;
}

/** A contract: plain data, frozen, with its types. */
export interface Contract<S extends ContractShape = ContractShape> extends AnyContract {
  readonly id: S["id"];
  readonly kind: S["kind"];
  readonly errors: S["errors"];
  readonly "~shape"?: S;
  /** Selects what another contract wants of this one. Only names this contract has are accepted. */
  use<const Sel extends SelectionOf<S>>(selection: Sel & KnownSelection<Sel>): ContractUse<S, Sel>;
}

/** A contract from its JSON alone: everything works, but the types know no names and errors have no classes. */
export function contractFromManifest(
  manifest: Manifest,
  usedContracts: { readonly [alias: string]: AnyContract } = {},
): Contract {
  return makeContract<ContractShape>({ manifest, contracts: usedContracts, errors: {} });
}

/** What a contract is made of. Internal: authors use `define*Contract`. */
export interface ContractParts {
  readonly manifest: Manifest;
  readonly contracts: { readonly [alias: string]: AnyContract };
  readonly errors: { readonly [type: string]: AnyErrorClass };
}

/** Internal: the caller vouches that the parts have the shape `S`, which types alone cannot show. */
export function makeContract<S extends ContractShape>(parts: ContractParts): Contract<S> {
  const manifest = normalizeManifest(parts.manifest);
  const contract: Contract = {
    id: manifest.id,
    kind: manifest.kind,
    manifest,
    digest: contractDigest(manifest),
    errors: parts.errors,
    uses: usedContracts(manifest.uses, parts.contracts),
    use: (selection) => ({ contract, selection }),
  };
  return Object.freeze(contract) as Contract<ContractShape> as Contract<S>;
}

function usedContracts(
  uses: Uses | undefined,
  contracts: ContractParts["contracts"],
): { readonly [alias: string]: UsedContract } {
  const used: { [alias: string]: UsedContract } = {};
  const add = (alias: string, selection: UseSelection, required: boolean): void => {
    used[alias] = {
      id: selection.contract,
      contract: Object.hasOwn(contracts, alias) ? contracts[alias] : undefined,
      selection,
      required,
    };
  };
  for (const [alias, selection] of Object.entries(uses?.optional ?? {})) add(alias, selection, false);
  for (const [alias, selection] of Object.entries(uses?.required ?? {})) add(alias, selection, true);
  return used;
}
