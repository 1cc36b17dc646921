import type { Manifest } from "@trellis/contracts";
import { aliases } from "../catalog/world.ts";

/** One capability, and the use that needs it. */
export interface Need {
  readonly capability: string;
  readonly alias: string;
  readonly surface: string;
  readonly action: string;
  /** False for what goes beyond the selection itself, such as cancelling an operation one may start. */
  readonly essential: boolean;
}

/** Every capability the granted uses of a contract ask for. */
export function neededCapabilities(
  manifest: Manifest,
  granted: { readonly [alias: string]: Manifest },
): readonly Need[] {
  const needs: Need[] = [];
  for (const { alias, selection } of aliases(manifest)) {
    const target = granted[alias];
    if (!target) continue;
    const add = (surface: string, action: string, keys: readonly string[] | undefined, essential = true): void => {
      for (const capability of keys ?? []) needs.push({ capability, alias, surface, action, essential });
    };
    for (const name of selection.rpc?.call ?? []) add(`rpc ${name}`, "call", target.rpc?.[name]?.capabilities?.call);
    for (const name of selection.operations?.call ?? []) {
      const rules = target.operations?.[name]?.capabilities;
      add(`operation ${name}`, "call", rules?.call);
      for (const action of ["observe", "cancel", "control"] as const)
        add(`operation ${name}`, action, rules?.[action], false);
    }
    for (const name of selection.events?.publish ?? [])
      add(`event ${name}`, "publish", target.events?.[name]?.capabilities?.publish);
    for (const name of selection.events?.subscribe ?? [])
      add(`event ${name}`, "subscribe", target.events?.[name]?.capabilities?.subscribe);
    for (const name of selection.feeds?.subscribe ?? [])
      add(`feed ${name}`, "subscribe", target.feeds?.[name]?.capabilities?.subscribe);
  }
  return needs;
}

/** What a service holds: `service`, and what its accepted contract's granted uses require. */
export function serviceCapabilities(
  manifest: Manifest,
  granted: { readonly [alias: string]: Manifest },
): ReadonlySet<string> {
  return new Set(["service", ...neededCapabilities(manifest, granted).map((need) => need.capability)]);
}
