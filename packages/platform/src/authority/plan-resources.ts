import type { Resource } from "../resources/resource-plan.ts";
import type { ResourceChange } from "./plan-view.ts";

/** What happens to the resources of a deployment: nothing is ever removed, only released. */
export function resourceChanges(before: readonly Resource[], after: readonly Resource[]): readonly ResourceChange[] {
  const old = new Map(before.map((resource) => [resourceKey(resource), resource]));
  const lines: ResourceChange[] = [];
  for (const resource of after) {
    const previous = old.get(resourceKey(resource));
    old.delete(resourceKey(resource));
    const detail = describeResource(resource);
    if (!previous) lines.push(resourceLine("add", resource, detail));
    else if (JSON.stringify(previous) !== JSON.stringify(resource)) {
      lines.push(resourceLine("change", resource, `${describeResource(previous)} → ${detail}`));
    }
  }
  for (const resource of old.values()) {
    lines.push(resourceLine("release", resource, "no longer used; its data stays until somebody purges it"));
  }
  return lines;
}

function resourceKey(resource: Resource): string {
  return `${resource.kind} ${physical(resource)}`;
}

function physical(resource: Resource): string {
  if ("bucket" in resource) return resource.bucket;
  return "consumer" in resource ? resource.consumer : resource.stream;
}

function resourceLine(action: ResourceChange["action"], resource: Resource, detail: string): ResourceChange {
  const limits = Object.fromEntries(
    Object.entries(resource).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
  return { action, kind: resource.kind, alias: resource.owner.alias, physical: physical(resource), detail, limits };
}

function describeResource(resource: Resource): string {
  if (resource.kind === "kv") {
    return [
      resource.history > 1 ? `history of ${resource.history}` : undefined,
      resource.ttlMs > 0 ? duration(resource.ttlMs) : "kept for ever",
      resource.maxValueBytes === undefined ? undefined : `values up to ${bytes(resource.maxValueBytes)}`,
    ]
      .filter((part) => part !== undefined)
      .join(", ");
  }
  if (resource.kind === "store") {
    return [
      resource.maxTotalBytes === undefined ? "no size limit" : bytes(resource.maxTotalBytes),
      resource.ttlMs ? duration(resource.ttlMs) : "kept for ever",
      resource.maxObjectBytes === undefined ? undefined : `objects up to ${bytes(resource.maxObjectBytes)}`,
    ]
      .filter((part) => part !== undefined)
      .join(", ");
  }
  if (resource.kind === "operations") return "what becomes of operations, each kept as long as its contract says";
  if (resource.kind === "operationsWork") return "operations to be run";
  if (resource.kind === "operationsConsumer")
    return `taken over ${duration(resource.ackWaitMs)} after a replica fell silent`;
  return `${resource.kind === "jobs" ? "" : `${resource.filters.join(", ")}, from ${resource.replay === "all" ? "the first kept event" : "now on"}, `}${resource.maxDeliver > 0 ? `${resource.maxDeliver} deliveries, ` : ""}acknowledged within ${duration(resource.ackWaitMs)}`;
}

function duration(ms: number): string {
  for (const [unit, size] of [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
    ["second", 1000],
  ] as const) {
    if (ms >= size && ms % size === 0) return `${ms / size} ${unit}${ms === size ? "" : "s"}`;
  }
  return `${ms} ms`;
}

function bytes(count: number): string {
  for (const [unit, size] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ] as const) {
    if (count >= size) return `${Number((count / size).toFixed(1))} ${unit}`;
  }
  return `${count} bytes`;
}
