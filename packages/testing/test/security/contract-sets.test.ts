import { afterAll, beforeAll, expect, it } from "vitest";
import { type Laboratory, openLaboratory } from "./kit/laboratory.ts";
import { tryRandomSets } from "./kit/random-sets.ts";

let lab: Laboratory;
beforeAll(async () => {
  lab = await openLaboratory();
});
afterAll(() => lab?.[Symbol.asyncDispose]());

it("each participant of a few dozen random contract sets can do what its contract says, and nothing else", async () => {
  const report = await tryRandomSets(lab, 24);
  console.info("random contract sets", report);
  // The oracle must say yes often enough for a server that refuses everything to fail.
  expect(report.allowed).toBeGreaterThan(report.sets * 20);
  expect(report.delivered).toBeGreaterThan(report.sets * 2);
}, 110_000);
