import type { Manifest } from "./manifest.ts";
import { listSurfaces } from "./surfaces.ts";
import { eventWildcard, subjectsOverlap } from "./subjects.ts";

/** One of the two surfaces that share subjects. */
export interface CollidingSurface {
  readonly contract: string;
  readonly member: string;
  readonly name: string;
  /** In its wildcard form; with parameters everything below. */
  readonly subject: string;
}

/** Two surfaces some message would reach both of. */
export interface Collision {
  readonly surfaces: readonly [CollidingSurface, CollidingSurface];
  readonly message: string;
}

/**
 * Surfaces whose subjects overlap once every template token is `*`, the last one `>`: whoever may subscribe to `a.*`,
 * nats-server lets subscribe to `a.>` too (tried with 2.14), so what lies below an event with parameters would be heard by
 * all its subscribers. Versions of one contract (same id) may stand side by side in the list only once: pass the manifests
 * that are to be active together.
 */
export function findSubjectCollisions(manifests: readonly Manifest[]): readonly Collision[] {
  const collisions: Collision[] = [];
  const index = new SubjectIndex();
  for (const manifest of manifests) {
    for (const surface of surfacesOf(manifest)) {
      for (const other of index.overlapping(surface.subject)) {
        collisions.push({
          surfaces: [other, surface],
          message: `${surface.subject} of ${surface.name} (${surface.contract}) collides with ${other.subject} of ${other.name} (${other.contract})`,
        });
      }
      index.add(surface);
    }
  }
  return collisions;
}

function surfacesOf(manifest: Manifest): readonly CollidingSurface[] {
  return listSurfaces(manifest).flatMap(({ subject, member, name, kind }) => {
    if (subject === undefined) return [];
    const own = { contract: manifest.id, member, name, subject: eventWildcard(subject).replace(/\*$/, ">") };
    // Operations and feeds also own what lies below `.control`.
    return kind === "operation" || kind === "feed" ? [own, { ...own, subject: `${subject}.control.>` }] : [own];
  });
}

/** Finds overlaps without comparing every pair: literal subjects by their text, the few wildcards one by one. */
class SubjectIndex {
  readonly #literal = new Map<string, CollidingSurface>();
  readonly #wild = new Map<string, CollidingSurface[]>();
  readonly #byStart = new Map<string, CollidingSurface[]>();

  overlapping(subject: string): readonly CollidingSurface[] {
    const start = startOf(subject);
    const candidates = isWild(subject) ? (this.#byStart.get(start) ?? []) : (this.#wild.get(start) ?? []);
    const found = candidates.filter((other) => subjectsOverlap(other.subject, subject));
    const same = isWild(subject) ? undefined : this.#literal.get(subject);
    return same === undefined ? found : [...found, same];
  }

  add(surface: CollidingSurface): void {
    const start = startOf(surface.subject);
    append(this.#byStart, start, surface);
    if (isWild(surface.subject)) append(this.#wild, start, surface);
    else this.#literal.set(surface.subject, surface);
  }
}

/** Every surface begins with three literal tokens: its kind, its version and the first part of its name. */
function startOf(subject: string): string {
  return subject.split(".", 3).join(".");
}

function isWild(subject: string): boolean {
  return subject.includes("*") || subject.includes(">");
}

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
