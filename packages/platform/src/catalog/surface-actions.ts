import type { Manifest } from "@trellis/contracts";

/** Kinds of surfaces other participants use. */
export type UsableKind = "rpc" | "operation" | "event" | "feed";

/** What can be done with a surface, and the capabilities each action needs; undefined when there is no such surface. */
export function surfaceActions(
  manifest: Manifest,
  kind: UsableKind,
  surface: string,
): { readonly [action: string]: readonly string[] } | undefined {
  if (kind === "rpc") {
    const rpc = own(manifest.rpc, surface);
    return rpc && { call: rpc.capabilities?.call ?? [] };
  }
  if (kind === "feed") {
    const feed = own(manifest.feeds, surface);
    return feed && { subscribe: feed.capabilities?.subscribe ?? [] };
  }
  if (kind === "event") {
    const event = own(manifest.events, surface);
    return event && { publish: event.capabilities?.publish ?? [], subscribe: event.capabilities?.subscribe ?? [] };
  }
  const operation = own(manifest.operations, surface);
  if (!operation) return undefined;
  // Omitted: observing needs what calling needs, nobody but the service cancels, control is the owner's.
  const { call = [], observe = call, cancel, control = [] } = operation.capabilities ?? {};
  return { call, observe, control, ...(cancel === undefined ? {} : { cancel }) };
}

function own<T>(surfaces: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return surfaces && Object.hasOwn(surfaces, name) ? surfaces[name] : undefined;
}
