import type { Manifest } from "@trellis/contracts";
import type { RecordChange, Registry } from "../registry/registry.ts";
import { AUTHORITIES, CONTRACTS, DEPLOYMENTS } from "../tables.ts";
import { ActiveContracts } from "./active-contracts.ts";
import { effectiveUnion, type Offer } from "./effective-union.ts";
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
 * ones together mean for a caller.
 */
export class Catalog implements ContractWorld {
  readonly #builtins: ReadonlyMap<string, BuiltinContract>;
  readonly #contracts;
  readonly #authorities;
  readonly #deployments;
  readonly #active = new ActiveContracts();
  /** What each deployment implemented when last looked at: a change may also take something away. */
  readonly #implemented = new Map<string, string>();
  readonly #stop: () => void;

  constructor(registry: Registry, builtins: readonly BuiltinContract[]) {
    this.#builtins = new Map(builtins.map((builtin) => [builtin.manifest.id, builtin]));
    this.#contracts = registry.table(CONTRACTS);
    this.#authorities = registry.table(AUTHORITIES);
    this.#deployments = registry.table(DEPLOYMENTS);
    for (const id of this.#builtins.keys()) this.#refresh(id);
    const implemented = new Set<string>();
    for (const { id, value } of this.#authorities.all()) {
      if (!value.materialized) continue;
      this.#implemented.set(id, value.materialized.contractId);
      implemented.add(value.materialized.contractId);
    }
    for (const id of implemented) this.#refresh(id);
    this.#stop = registry.onChange((changes) => {
      for (const id of this.#touched(changes)) this.#refresh(id);
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
    return this.#active.get(contractId);
  }

  neighbours(manifest: Manifest): readonly Manifest[] {
    const ids = [...this.#active.neighbours(manifest)].filter((id) => id !== manifest.id);
    return ids.flatMap((id) => this.active(id)?.manifest ?? []);
  }

  manifest(digest: string): Manifest | undefined {
    for (const builtin of this.#builtins.values()) if (builtin.digest === digest) return builtin.manifest;
    return this.#contracts.get(digest)?.value.manifest;
  }

  /** Ids of every active contract, the built-in ones first. */
  activeIds(): readonly string[] {
    return this.#active.ids();
  }

  /** Whether an active contract declares this capability. */
  declares(capability: string): boolean {
    return this.#active.declares(capability);
  }

  /** Every known service contract, one entry a contract id, active ones with their union. */
  entries(): readonly CatalogEntry[] {
    const newest = new Map<string, { readonly entry: CatalogEntry; readonly seen: number }>();
    for (const { manifest, digest } of this.#builtins.values()) {
      const entry = { contractId: manifest.id, digest, manifest, active: this.active(manifest.id) };
      newest.set(manifest.id, { entry, seen: Number.POSITIVE_INFINITY });
    }
    for (const { value } of this.#contracts.all()) {
      const { contractId, manifest, firstSeenAt: seen } = value;
      const other = newest.get(contractId);
      if (manifest.kind !== "service" || (other && other.seen >= seen)) continue;
      const active = this.active(contractId);
      const entry = {
        contractId,
        digest: active?.digest ?? value.digest,
        manifest: active?.manifest ?? manifest,
        active,
      };
      newest.set(contractId, { entry, seen });
    }
    return [...newest.values()].map(({ entry }) => entry).sort((a, b) => (a.contractId < b.contractId ? -1 : 1));
  }

  close(): void {
    this.#stop();
  }

  /** Contracts whose offers a commit may have changed. */
  #touched(changes: readonly RecordChange[]): ReadonlySet<string> {
    const ids = new Set<string>();
    const add = (id: string | undefined): void => {
      if (id !== undefined) ids.add(id);
    };
    for (const { table, id } of changes) {
      if (table === CONTRACTS.name) {
        add(this.#contracts.get(id)?.value.contractId);
      } else if (table === DEPLOYMENTS.name) {
        add(this.#implemented.get(id));
      } else if (table === AUTHORITIES.name) {
        const now = this.#authorities.get(id)?.value.materialized?.contractId;
        add(this.#implemented.get(id));
        add(now);
        if (now === undefined) this.#implemented.delete(id);
        else this.#implemented.set(id, now);
      }
    }
    return ids;
  }

  #refresh(contractId: string): void {
    this.#active.set(contractId, this.#compute(contractId));
  }

  #compute(contractId: string): ActiveContract | undefined {
    const builtin = this.#builtins.get(contractId);
    if (builtin) {
      return {
        contractId,
        manifest: builtin.manifest,
        digest: builtin.digest,
        deployments: [],
        conflicting: [],
        builtin: true,
      };
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
      if (manifest)
        offers.push({
          deployment: value.deployment,
          digest: materialized.digest,
          manifest,
          acceptedAt: materialized.at,
        });
    }
    return offers;
  }
}
