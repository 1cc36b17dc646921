import { auth, core, health, jobs, resources, state } from "@trellis/sdk";
import type { BuiltinContract } from "./catalog.ts";

/** The platform's own contracts, implemented by every replica of the control plane. */
export function builtinContracts(): readonly BuiltinContract[] {
  return [core, auth, health, jobs, resources, state].map(({ manifest, digest }) => ({ manifest, digest }));
}
