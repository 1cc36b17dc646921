import { expect, it } from "vitest";
import { holdOpen } from "./many-feeds.ts";

it("a replica holds 1 000 feeds of one reader", { timeout: 120_000 }, async () => {
  const { kbPerFeed, rssMb } = await holdOpen(1_000, 1);
  console.log(`1 000 feeds: ${rssMb} MB in all, ${kbPerFeed} kB a feed`);
  // Twice what it takes: how much exactly depends on the machine.
  expect(rssMb).toBeLessThan(600);
});
