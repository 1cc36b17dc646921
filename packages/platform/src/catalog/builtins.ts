import { auth, core, health, jobs } from "@trellis/sdk";
import type { BuiltinContract } from "./catalog.ts";

/** The platform's own contracts, implemented by every replica of the control plane. */
export function builtinContracts(): readonly BuiltinContract[] {
  return [core, auth, health, jobs].map(({ manifest, digest }) => ({ manifest, digest }));
}
