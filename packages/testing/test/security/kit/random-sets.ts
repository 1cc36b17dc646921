import * as fc from "fast-check";
import { contractSets, writeSet } from "./contract-sets.ts";
import type { Laboratory } from "./laboratory.ts";
import { newKey } from "./participant.ts";
import { trySet } from "./try-set.ts";

export interface SetsReport {
  readonly seed: number;
  readonly sets: number;
  readonly participants: number;
  readonly probes: number;
  readonly allowed: number;
  readonly delivered: number;
}

/** Tries `count` random sets on one platform; what fails names seed and set. `TRELLIS_SEED` repeats a run. */
export async function tryRandomSets(
  lab: Laboratory,
  count: number,
  options: { readonly tag?: string; readonly seed?: number } = {},
): Promise<SetsReport> {
  const seed = options.seed ?? Number(process.env["TRELLIS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  const tag = options.tag ?? "x";
  const admin = newKey();
  await lab.platform.admin.rpc.auth.usersCreate({ name: `${tag}-admin`, groups: ["admin"] }).orThrow();
  await lab.platform.admin.rpc.auth.usersAddKey({ user: `${tag}-admin`, key: admin.text }).orThrow();
  const total = { participants: 0, probes: 0, allowed: 0, delivered: 0 };
  for (const [at, spec] of fc.sample(contractSets, { seed, numRuns: count }).entries()) {
    try {
      const report = await trySet(lab, writeSet(spec, `${tag}${at}`), admin);
      for (const figure of ["participants", "probes", "allowed", "delivered"] as const) total[figure] += report[figure];
    } catch (error) {
      throw new Error(`TRELLIS_SEED=${seed}, set ${at}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
  return { seed, sets: count, ...total };
}
