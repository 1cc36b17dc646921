import type { ControlContext } from "../authority/context.ts";
import type { User } from "../tables.ts";

/** The group whose members administer the platform. */
export const ADMIN_GROUP = "admin";

/** A set that is only asked, never listed: an administrator of a large platform holds thousands. */
export interface HeldCapabilities {
  has(capability: string): boolean;
}

/** What a user holds through groups; an agent acting for the user gets of it only what its contract needs. */
export function userCapabilities(context: Pick<ControlContext, "tables" | "catalog">, user: User): HeldCapabilities {
  const groups = user.groups.flatMap((name) => context.tables.groups.get(name)?.value ?? []);
  const named = new Set(groups.flatMap((group) => group.capabilities));
  const every = groups.some((group) => group.everyCapability);
  return {
    // Only a registered service is one, whatever a group says.
    has: (capability) =>
      capability !== "service" && (named.has(capability) || (every && context.catalog.declares(capability))),
  };
}
