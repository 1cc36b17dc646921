import type { ControlContext } from "../authority/context.ts";
import type { User } from "../tables.ts";

/** The group whose members administer the platform. */
export const ADMIN_GROUP = "admin";

/** What a user holds through groups; an agent acting for the user gets of it only what its contract needs. */
export function userCapabilities(context: Pick<ControlContext, "tables" | "catalog">, user: User): ReadonlySet<string> {
  const held = new Set<string>();
  for (const name of user.groups) {
    const group = context.tables.groups.get(name)?.value;
    for (const capability of group?.capabilities ?? []) held.add(capability);
    if (group?.everyCapability) for (const capability of context.catalog.declaredCapabilities()) held.add(capability);
  }
  // Only a registered service is one, whatever a group says.
  held.delete("service");
  return held;
}
