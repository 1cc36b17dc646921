import { expect, test } from "vitest";
import { everyPage } from "./every-page.ts";

test("reads on from where the last page ended until there is none", async () => {
  const all = Array.from({ length: 25 }, (_, n) => n);
  const asked: unknown[] = [];
  const found = await everyPage(async (from) => {
    asked.push(from);
    const start = Number(from.cursor ?? 0);
    const end = start + from.limit;
    return { items: all.slice(start, end), nextCursor: end < all.length ? String(end) : undefined };
  }, 10);
  expect(found).toEqual(all);
  expect(asked).toEqual([{ limit: 10 }, { limit: 10, cursor: "10" }, { limit: 10, cursor: "20" }]);
});
