import { expect, it } from "vitest";
import { openLaboratory } from "./kit/laboratory.ts";
import { tryRandomSets } from "./kit/random-sets.ts";

/** A platform keeps what its sets stored, so each round begins with a new one. */
const ROUNDS = 8;
const SETS_A_ROUND = 40;

it("each participant of hundreds of random contract sets can do what its contract says, and nothing else", async () => {
  const seed = Number(process.env["TRELLIS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  for (let round = 0; round < ROUNDS; round += 1) {
    await using lab = await openLaboratory();
    const report = await tryRandomSets(lab, SETS_A_ROUND, { seed: seed + round });
    console.info("random contract sets", { round, ...report });
    expect(report.allowed).toBeGreaterThan(report.sets * 20);
  }
});
