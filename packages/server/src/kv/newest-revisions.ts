/** As many keys as one process touches between two looks at the same one; about 10 MB. */
const REMEMBERED_KEYS = 65_536;

/**
 * The newest revision this process has seen of each key, so that no read goes back behind it. Two generations: when the
 * young one is full the old one is forgotten.
 */
export class NewestRevisions {
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  get(key: string): number | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  saw(key: string, revision: number): void {
    const known = this.get(key);
    if (known !== undefined && known >= revision) return;
    this.set(key, revision);
  }

  /** What the leader says is so, also when it is less than what was seen: the bucket was restored from a backup. */
  set(key: string, revision: number | undefined): void {
    if (revision === undefined) {
      this.#young.delete(key);
      this.#old.delete(key);
      return;
    }
    this.#young.set(key, revision);
    if (this.#young.size < REMEMBERED_KEYS / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
