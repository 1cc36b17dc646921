import type { Manifest } from "@trellis/contracts";
import { subjectRoots } from "./subject-roots.ts";
import type { ActiveContract } from "./world.ts";

/**
 * The active contracts with what is looked up across all of them. Kept current one contract at a time: at ten thousand
 * deployments a change of one must not cost a walk over all.
 */
export class ActiveContracts {
  readonly #byId = new Map<string, ActiveContract>();
  readonly #byRoot = new Map<string, Set<string>>();
  /** Capability to the number of active contracts that declare it. */
  readonly #declared = new Map<string, number>();

  get(contractId: string): ActiveContract | undefined {
    return this.#byId.get(contractId);
  }

  ids(): readonly string[] {
    return [...this.#byId.keys()];
  }

  /** Ids of contracts that own a subject below one of the manifest's roots, its own id among them. */
  neighbours(manifest: Manifest): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const root of subjectRoots(manifest)) for (const id of this.#byRoot.get(root) ?? []) ids.add(id);
    return ids;
  }

  declares(capability: string): boolean {
    return this.#declared.has(capability);
  }

  /** Replaces what is known about one contract; nothing when it is not active any more. */
  set(contractId: string, active: ActiveContract | undefined): void {
    const before = this.#byId.get(contractId);
    if (before) this.#forget(contractId, before.manifest);
    if (!active) {
      this.#byId.delete(contractId);
      return;
    }
    this.#byId.set(contractId, active);
    for (const root of subjectRoots(active.manifest)) {
      const ids = this.#byRoot.get(root) ?? new Set();
      this.#byRoot.set(root, ids.add(contractId));
    }
    for (const key of Object.keys(active.manifest.capabilities ?? {}))
      this.#declared.set(key, (this.#declared.get(key) ?? 0) + 1);
  }

  #forget(contractId: string, manifest: Manifest): void {
    for (const root of subjectRoots(manifest)) {
      const ids = this.#byRoot.get(root);
      ids?.delete(contractId);
      if (ids?.size === 0) this.#byRoot.delete(root);
    }
    for (const key of Object.keys(manifest.capabilities ?? {})) {
      const count = (this.#declared.get(key) ?? 1) - 1;
      if (count > 0) this.#declared.set(key, count);
      else this.#declared.delete(key);
    }
  }
}
