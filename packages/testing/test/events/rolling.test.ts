import { describe, it } from "vitest";
import { countThroughKills } from "./counted-rolling.ts";

describe("5 000 events through random SIGKILLs of two replicas", () => {
  it(
    "are each handled, in strict order",
    () => countThroughKills({ kind: "strict", events: 5_000, kills: 3, withinMs: 90_000 }),
    120_000,
  );
  it(
    "are each handled side by side, in order by key",
    () => countThroughKills({ kind: "wide", events: 5_000, kills: 3, withinMs: 90_000 }),
    120_000,
  );
});
