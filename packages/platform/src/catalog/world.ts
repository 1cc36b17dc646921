import type { Manifest, UseSelection } from "@trellis/contracts";

/** A contract that is implemented here now: its manifest is the union of what its deployments offer. */
export interface ActiveContract {
  readonly contractId: string;
  readonly manifest: Manifest;
  /** Digest of the newest offer; the union itself has none. */
  readonly digest: string;
  readonly deployments: readonly string[];
  /** Deployments whose offer contradicts the others and is therefore not part of the union. */
  readonly conflicting: readonly string[];
  /** Implemented by the control plane itself. */
  readonly builtin: boolean;
}

/** What planning and granting read about contracts. Pure code takes this and never a registry. */
export interface ContractWorld {
  /** Every manifest anybody presented for a contract, newest first. */
  known(contractId: string): readonly Manifest[];
  active(contractId: string): ActiveContract | undefined;
  /** Active contracts of other ids that own a subject below the same roots (`rpc.v1.Orders`) as this manifest. */
  neighbours(manifest: Manifest): readonly Manifest[];
}

export type RequirementState = "active" | "inactive" | "unknown" | "incompatible";

/** One alias of a contract's `uses`, held against the world. */
export interface RequirementStatus {
  readonly alias: string;
  readonly contractId: string;
  readonly required: boolean;
  readonly state: RequirementState;
  /** Surfaces that were asked for and that no known version has. */
  readonly missing: readonly string[];
}

/** Every alias with its selection; one that is listed twice counts as required. */
export function aliases(
  manifest: Manifest,
): readonly { readonly alias: string; readonly required: boolean; readonly selection: UseSelection }[] {
  const required = manifest.uses?.required ?? {};
  const optional = manifest.uses?.optional ?? {};
  return [
    ...Object.entries(required).map(([alias, selection]) => ({ alias, required: true, selection })),
    ...Object.entries(optional)
      .filter(([alias]) => required[alias] === undefined)
      .map(([alias, selection]) => ({ alias, required: false, selection })),
  ];
}

/** The surfaces of a selection that this version of the contract does not have, as `rpc Orders.Get`. */
export function missingSurfaces(manifest: Manifest, selection: UseSelection): readonly string[] {
  const lacks = (kind: string, names: readonly string[] | undefined, owned: object | undefined): string[] =>
    (names ?? []).filter((name) => !Object.hasOwn(owned ?? {}, name)).map((name) => `${kind} ${name}`);
  return [
    ...lacks("rpc", selection.rpc?.call, manifest.rpc),
    ...lacks("operation", selection.operations?.call, manifest.operations),
    ...lacks("event", selection.events?.publish, manifest.events),
    ...lacks("event", selection.events?.subscribe, manifest.events),
    ...lacks("feed", selection.feeds?.subscribe, manifest.feeds),
  ];
}

/** How every use of a contract stands. */
export function requirements(manifest: Manifest, world: ContractWorld): readonly RequirementStatus[] {
  return aliases(manifest).map(({ alias, required, selection }) => ({
    alias,
    contractId: selection.contract,
    required,
    ...requirementState(manifest, selection, world),
  }));
}

function requirementState(
  manifest: Manifest,
  selection: UseSelection,
  world: ContractWorld,
): { readonly state: RequirementState; readonly missing: readonly string[] } {
  // A contract may use its own surfaces: it is its own evidence and needs nobody else first.
  const active = selection.contract === manifest.id ? manifest : world.active(selection.contract)?.manifest;
  if (active && missingSurfaces(active, selection).length === 0) return { state: "active", missing: [] };
  const known = world.known(selection.contract);
  if (known.some((candidate) => missingSurfaces(candidate, selection).length === 0))
    return { state: "inactive", missing: [] };
  const newest = active ?? known[0];
  if (!newest) return { state: "unknown", missing: [] };
  return { state: "incompatible", missing: missingSurfaces(newest, selection) };
}

/** The manifests behind the aliases that are granted now; an alias that is absent grants nothing. */
export function grantedUses(manifest: Manifest, world: ContractWorld): { readonly [alias: string]: Manifest } {
  const granted: { [alias: string]: Manifest } = {};
  for (const { alias, selection } of aliases(manifest)) {
    const target = selection.contract === manifest.id ? manifest : world.active(selection.contract)?.manifest;
    if (target && missingSurfaces(target, selection).length === 0) granted[alias] = target;
  }
  return granted;
}

/** The deployments that serve each granted alias: transfers name them in their subjects. */
export function servingDeployments(
  granted: { readonly [alias: string]: Manifest },
  world: ContractWorld,
): { readonly [alias: string]: readonly string[] } {
  return Object.fromEntries(
    Object.entries(granted).map(([alias, manifest]) => [alias, world.active(manifest.id)?.deployments ?? []]),
  );
}

/** A required contract, anywhere below, that is not in force. */
export interface ClosureGap {
  readonly contractId: string;
  readonly state: Exclude<RequirementState, "active">;
  readonly missing: readonly string[];
  /** The contracts on the way there: `["orders@v1", "billing@v1"]`. */
  readonly path: readonly string[];
}

/**
 * What stands between a contract and its credentials: every required use, and theirs. "Active" means accepted and
 * materialized, never connected, so members of a cycle do not wait for each other's connections and become ready
 * together.
 */
export function closureGaps(manifest: Manifest, world: ContractWorld): readonly ClosureGap[] {
  const gaps = new Map<string, ClosureGap>();
  const seen = new Set<string>([manifest.id]);
  const queue: { readonly manifest: Manifest; readonly path: readonly string[] }[] = [
    { manifest, path: [manifest.id] },
  ];
  for (let next = queue.shift(); next; next = queue.shift()) {
    for (const status of requirements(next.manifest, world)) {
      if (!status.required) continue;
      if (status.state !== "active") {
        if (!gaps.has(status.contractId)) {
          gaps.set(status.contractId, {
            contractId: status.contractId,
            state: status.state,
            missing: status.missing,
            path: next.path,
          });
        }
        continue;
      }
      if (seen.has(status.contractId)) continue;
      seen.add(status.contractId);
      const target = world.active(status.contractId);
      if (target && !target.builtin) queue.push({ manifest: target.manifest, path: [...next.path, status.contractId] });
    }
  }
  return [...gaps.values()];
}
