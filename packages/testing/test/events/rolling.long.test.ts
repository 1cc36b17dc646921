import { describe, it } from "vitest";
import { countThroughKills } from "./counted-rolling.ts";

describe("100 000 events through random SIGKILLs of two replicas", () => {
  it("are each handled, in strict order", () =>
    countThroughKills({ kind: "strict", events: 100_000, kills: 20, withinMs: 600_000 }));
  it("are each handled side by side, in order by key", () =>
    countThroughKills({ kind: "wide", events: 100_000, kills: 20, withinMs: 600_000 }));
});
