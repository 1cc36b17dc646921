import { expect, it } from "vitest";
import { holdOpen } from "./many-feeds.ts";

it("a replica holds 10 000 feeds of ten readers", async () => {
  const { kbPerFeed, rssMb } = await holdOpen(10_000, 10);
  console.log(`10 000 feeds: ${rssMb} MB in all, ${kbPerFeed} kB a feed`);
  // Twice what it takes: how much exactly depends on the machine.
  expect(rssMb).toBeLessThan(1_200);
});
