import type { Manifest } from "@trellis/contracts";
import type { Registry } from "../registry/registry.ts";
import { AUTHORITIES, CONTRACTS, DEPLOYMENTS } from "../tables.ts";
import { effectiveUnion, type Offer } from "./effective-union.ts";
import { subjectRoots } from "./subject-roots.ts";
import type { ActiveContract, ContractWorld } from "./world.ts";

/** A contract the control plane implements itself: always known, always active. */
export interface BuiltinContract {
  readonly digest: string;
  readonly manifest: Manifest;
}

/** One line of the catalogue. */
export interface CatalogEntry {
  readonly contractId: string;
  readonly digest: string;
  readonly manifest: Manifest;
  readonly active: ActiveContract | undefined;
}

/**
 * The contracts of this platform, read from the registry view: which are known, which are active, and what the active
 * ones together mean for a caller. Answers are remembered until a record they come from changes.
 */
export class Catalog implements ContractWorld {
  readonly #builtins: ReadonlyMap<string, BuiltinContract>;
  readonly #contracts;
  readonly #authorities;
  readonly #deployments;
  readonly #active = new Map<string, ActiveContract | undefined>();
  #roots: Map<string, Set<string>> | undefined;
  #capabilities: ReadonlySet<string> | undefined;
  readonly #stop: () => void;

  constructor(registry: Registry, builtins: readonly BuiltinContract[]) {
    this.#builtins = new Map(builtins.map((builtin) => [builtin.manifest.id, builtin]));
    this.#contracts = registry.table(CONTRACTS);
    this.#authorities = registry.table(AUTHORITIES);
    this.#deployments = registry.table(DEPLOYMENTS);
    const sources = new Set([CONTRACTS.name, AUTHORITIES.name, DEPLOYMENTS.name]);
    this.#stop = registry.onChange((changes) => {
      if (!changes.some((change) => sources.has(change.table))) return;
      this.#active.clear();
      this.#roots = undefined;
      this.#capabilities = undefined;
    });
  }

  known(contractId: string): readonly Manifest[] {
    const builtin = this.#builtins.get(contractId);
    if (builtin) return [builtin.manifest];
    return this.#contracts
      .by("contract", contractId)
      .filter((entry) => entry.value.manifest.kind === "service")
      .sort((a, b) => b.value.firstSeenAt - a.value.firstSeenAt)
      .map((entry) => entry.value.manifest);
  }

  active(contractId: string): ActiveContract | undefined {
    if (this.#active.has(contractId)) return this.#active.get(contractId);
    const active = this.#compute(contractId);
    this.#active.set(contractId, active);
    return active;
  }

  neighbours(manifest: Manifest): readonly Manifest[] {
    const ids = new Set<string>();
    for (const root of subjectRoots(manifest)) for (const id of this.#rootIndex().get(root) ?? []) ids.add(id);
    ids.delete(manifest.id);
    return [...ids].flatMap((id) => this.active(id)?.manifest ?? []);
  }

  manifest(digest: string): Manifest | undefined {
    for (const builtin of this.#builtins.values()) if (builtin.digest === digest) return builtin.manifest;
    return this.#contracts.get(digest)?.value.manifest;
  }

  /** Ids of every active contract, the built-in ones first. */
  activeIds(): readonly string[] {
    const ids = new Set(this.#builtins.keys());
    for (const { value } of this.#authorities.all()) if (value.materialized) ids.add(value.materialized.contractId);
    return [...ids].filter((id) => this.active(id) !== undefined);
  }

  /** Every capability an active contract declares. */
  declaredCapabilities(): ReadonlySet<string> {
    this.#capabilities ??= new Set(this.activeIds().flatMap((id) => Object.keys(this.active(id)?.manifest.capabilities ?? {})));
    return this.#capabilities;
  }

  /** Every known service contract, one entry a contract id, active ones with their union. */
  entries(): readonly CatalogEntry[] {
    const newest = new Map<string, CatalogEntry & { readonly seen: number }>();
    for (const { manifest, digest } of this.#builtins.values()) {
      newest.set(manifest.id, { contractId: manifest.id, digest, manifest, active: this.active(manifest.id), seen: Infinity });
    }
    for (const { value } of this.#contracts.all()) {
      if (value.manifest.kind !== "service") continue;
      const other = newest.get(value.contractId);
      if (other && other.seen >= value.firstSeenAt) continue;
      const active = this.active(value.contractId);
      newest.set(value.contractId, {
        contractId: value.contractId,
        digest: active?.digest ?? value.digest,
        manifest: active?.manifest ?? value.manifest,
        active,
        seen: value.firstSeenAt,
      });
    }
    return [...newest.values()].map(({ seen: _, ...entry }) => entry).sort((a, b) => (a.contractId < b.contractId ? -1 : 1));
  }

  close(): void {
    this.#stop();
  }

  #compute(contractId: string): ActiveContract | undefined {
    const builtin = this.#builtins.get(contractId);
    if (builtin) {
      return { contractId, manifest: builtin.manifest, digest: builtin.digest, deployments: [], conflicting: [], builtin: true };
    }
    const union = effectiveUnion(this.#offers(contractId));
    return union && { contractId, ...union, builtin: false };
  }

  #offers(contractId: string): readonly Offer[] {
    const offers: Offer[] = [];
    for (const { value } of this.#authorities.by("implements", contractId)) {
      const { materialized } = value;
      if (!materialized || !this.#deployments.get(value.deployment)?.value.enabled) continue;
      const manifest = this.#contracts.get(materialized.digest)?.value.manifest;
      if (manifest) offers.push({ deployment: value.deployment, digest: materialized.digest, manifest, acceptedAt: materialized.at });
    }
    return offers;
  }

  #rootIndex(): Map<string, Set<string>> {
    if (this.#roots) return this.#roots;
    const index = new Map<string, Set<string>>();
    for (const id of this.activeIds()) {
      const manifest = this.active(id)?.manifest;
      if (!manifest) continue;
      for (const root of subjectRoots(manifest)) {
        const ids = index.get(root) ?? new Set();
        index.set(root, ids.add(id));
      }
    }
    this.#roots = index;
    return index;
  }
}
