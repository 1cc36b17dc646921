import type { Manifest } from "@trellis/contracts";

const roots = new WeakMap<Manifest, ReadonlySet<string>>();

/**
 * The first three tokens of every subject a contract owns (`rpc.v1.Orders`). Parameters of events come after a name,
 * so two contracts that share no root cannot collide, and a platform of thousands compares only neighbours.
 */
export function subjectRoots(manifest: Manifest): ReadonlySet<string> {
  const cached = roots.get(manifest);
  if (cached) return cached;
  const found = new Set<string>();
  for (const surfaces of [manifest.rpc, manifest.operations, manifest.events, manifest.feeds]) {
    for (const { subject } of Object.values(surfaces ?? {})) found.add(subject.split(".", 3).join("."));
  }
  roots.set(manifest, found);
  return found;
}
