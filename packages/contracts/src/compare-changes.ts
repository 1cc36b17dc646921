import type { JsonSchema, Manifest, SchemaRef } from "./manifest.ts";
import { schemaMisfit } from "./schema-fits.ts";
import { pointer } from "./schema-problems.ts";

/** Whom a breaking change breaks. */
export type Broken = "callers" | "publishers" | "subscribers" | "observers" | "stored data" | "the service";

/** One difference between two manifests. */
export interface Change {
  /** JSON pointer into the manifests. */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  readonly effect: "breaking" | "compatible" | "none";
  readonly breaks: readonly Broken[];
  /** A sentence for the person who reviews it. */
  readonly message: string;
}

/** What to do with each name of two maps. */
export interface EachName<T> {
  readonly added: (name: string, at: string, after: T) => void;
  readonly removed: (name: string, at: string, before: T) => void;
  readonly both: (name: string, at: string, before: T, after: T) => void;
}

/** Two manifests whose schema references are compared. */
export interface Pair {
  readonly older: Manifest;
  readonly newer: Manifest;
}

/** Collects changes; names are visited in a stable order. */
export class ChangeList {
  readonly changes: Change[] = [];

  breaking(path: string, kind: Change["kind"], breaks: readonly Broken[], message: string): void {
    this.changes.push({ path, kind, effect: "breaking", breaks, message });
  }

  compatible(path: string, kind: Change["kind"], message: string): void {
    this.changes.push({ path, kind, effect: "compatible", breaks: [], message });
  }

  each<T>(
    path: string,
    older: { readonly [name: string]: T } | undefined,
    newer: { readonly [name: string]: T } | undefined,
    visit: EachName<T>,
  ): void {
    const before = new Map(Object.entries(older ?? {}));
    const after = new Map(Object.entries(newer ?? {}));
    for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
      const at = pointer(path, name);
      const was = before.get(name);
      const is = after.get(name);
      if (was === undefined && is !== undefined) visit.added(name, at, is);
      else if (was !== undefined && is === undefined) visit.removed(name, at, was);
      else if (was !== undefined && is !== undefined) visit.both(name, at, was, is);
    }
  }

  /** Values written by the older contract must be accepted by the newer one: inputs, stored data. */
  accepts(
    pair: Pair,
    path: string,
    what: string,
    before: SchemaRef | undefined,
    after: SchemaRef | undefined,
    breaks: readonly Broken[],
  ): void {
    this.#schemas(pair, path, what, before, after, (older, newer) => ({
      misfit: schemaMisfit(older, newer),
      breaks,
      words: "what fitted before may be refused",
    }));
  }

  /** Values written by the newer contract must be accepted by the older one: outputs, events. */
  emits(
    pair: Pair,
    path: string,
    what: string,
    before: SchemaRef | undefined,
    after: SchemaRef | undefined,
    breaks: readonly Broken[],
  ): void {
    this.#schemas(pair, path, what, before, after, (older, newer) => ({
      misfit: schemaMisfit(newer, older),
      breaks,
      words: "what comes may not be what was promised",
    }));
  }

  #schemas(
    { older, newer }: Pair,
    path: string,
    what: string,
    before: SchemaRef | undefined,
    after: SchemaRef | undefined,
    judge: (
      older: JsonSchema,
      newer: JsonSchema,
    ) => { misfit: ReturnType<typeof schemaMisfit>; breaks: readonly Broken[]; words: string },
  ): void {
    const was = resolve(older, before);
    const is = resolve(newer, after);
    if (was === undefined || is === undefined) {
      if (was !== undefined) this.breaking(path, "removed", ["callers", "observers"], `${what} is gone`);
      if (is !== undefined) this.compatible(path, "added", `${what} is new`);
      return;
    }
    const { misfit, breaks, words } = judge(was, is);
    if (misfit !== undefined) {
      const where = misfit.path === "" ? "" : ` at ${misfit.path}`;
      this.breaking(path, "changed", breaks, `${what} changes so that ${words}: the value${where} ${misfit.message}`);
    } else if (JSON.stringify(was) !== JSON.stringify(is) || before?.schema !== after?.schema) {
      this.compatible(path, "changed", `${what} changes compatibly`);
    }
  }
}

function resolve(manifest: Manifest, ref: SchemaRef | undefined): JsonSchema | undefined {
  const schemas = manifest.schemas ?? {};
  return ref !== undefined && Object.hasOwn(schemas, ref.schema) ? schemas[ref.schema] : undefined;
}
