import { canonicalJson, type Json, type Manifest } from "@trellis/contracts";

/** What one deployment implements. */
export interface Offer {
  readonly deployment: string;
  readonly digest: string;
  readonly manifest: Manifest;
  readonly acceptedAt: number;
}

/** The union of offers that do not contradict each other. */
export interface EffectiveUnion {
  readonly manifest: Manifest;
  readonly digest: string;
  readonly deployments: readonly string[];
  readonly conflicting: readonly string[];
}

/** Members that are maps of named things; two versions agree when what they share is the same. */
const NAMED = ["schemas", "capabilities", "rpc", "operations", "events", "feeds", "errors"] as const;

/**
 * What callers of one contract can rely on when several deployments implement it. The newest offer is the base; another
 * one adds what only it has. An offer that says something else about the same name is left out whole and reported.
 */
export function effectiveUnion(offers: readonly Offer[]): EffectiveUnion | undefined {
  const newestFirst = [...offers].sort((a, b) => b.acceptedAt - a.acceptedAt || (a.deployment < b.deployment ? -1 : 1));
  const [base, ...rest] = newestFirst;
  if (!base) return undefined;
  let manifest = base.manifest;
  const deployments = [base.deployment];
  const conflicting: string[] = [];
  for (const offer of rest) {
    const merged = offer.digest === base.digest ? manifest : merge(manifest, offer.manifest);
    if (merged) {
      manifest = merged;
      deployments.push(offer.deployment);
    } else {
      conflicting.push(offer.deployment);
    }
  }
  return { manifest, digest: base.digest, deployments, conflicting };
}

function merge(base: Manifest, other: Manifest): Manifest | undefined {
  const added: { [member: string]: { readonly [name: string]: Json } } = {};
  for (const member of NAMED) {
    const ours = asMap(base[member]);
    const theirs = asMap(other[member]);
    const union: { [name: string]: Json } = { ...ours };
    for (const [name, value] of Object.entries(theirs)) {
      const mine = ours[name];
      if (mine === undefined) union[name] = value;
      else if (!agrees(mine, value)) return undefined;
    }
    if (Object.keys(union).length > 0) added[member] = union;
  }
  return { ...base, ...added };
}

/** Words for people may differ between deployments; what goes over the wire may not. */
function agrees(a: Json, b: Json): boolean {
  return canonicalJson(withoutDocs(a)) === canonicalJson(withoutDocs(b));
}

function withoutDocs(value: Json): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== "docs"));
}

// Manifests are JSON by construction, which their interfaces (no index signature, optional members) cannot express.
function asMap(value: unknown): { readonly [name: string]: Json } {
  return (value ?? {}) as { readonly [name: string]: Json };
}
