import type { AuthChange } from "@trellis/protocol";
import { describe, expect, test } from "vitest";
import { AuthorityChanges } from "./authority-changes.ts";

const notice = (over: Partial<AuthChange>): AuthChange => ({
  kind: "change",
  origin: "a",
  previous: 0,
  revision: 1,
  epoch: "e",
  ...over,
});
const facts = (revision: number, sessionKey = "s") => ({
  sessionKey,
  principal: `p-${sessionKey}`,
  deployment: undefined,
  revision,
});

describe("AuthorityChanges", () => {
  test("a change makes older facts about what it names unbelievable, and nothing else", () => {
    const changes = new AuthorityChanges();
    changes.apply(notice({ kind: "beat", revision: 5, previous: 5 }), 0);
    expect(changes.apply(notice({ previous: 5, revision: 8, sessions: ["s"] }), 1)).toBe("followed");
    expect(changes.outdated(facts(7))).toBe(true);
    expect(changes.outdated(facts(8))).toBe(false);
    expect(changes.outdated(facts(7, "other"))).toBe(false);
  });

  test("principals and deployments are named too; a change that names nobody is about everybody", () => {
    const changes = new AuthorityChanges();
    changes.apply(notice({ kind: "beat", revision: 1 }), 0);
    changes.apply(notice({ previous: 1, revision: 2, principals: ["p-s"] }), 0);
    expect(changes.outdated(facts(1))).toBe(true);
    expect(changes.outdated(facts(1, "other"))).toBe(false);
    changes.apply(notice({ previous: 2, revision: 3, deployments: ["orders"] }), 0);
    expect(changes.outdated({ ...facts(2, "other"), deployment: "orders" })).toBe(true);
    expect(changes.outdated(facts(2, "other"))).toBe(false);
    changes.apply(notice({ previous: 3, revision: 4 }), 0);
    expect(changes.outdated(facts(3, "other"))).toBe(true);
  });

  test("a change before the one we hear leaves a gap", () => {
    const changes = new AuthorityChanges();
    changes.apply(notice({ kind: "beat", revision: 5 }), 0);
    expect(changes.apply(notice({ previous: 9, revision: 12, sessions: ["x"] }), 0)).toBe("gap");
    expect(changes.doubts(8)).toBe(true);
    expect(changes.doubts(9)).toBe(false);
  });

  test("a beat that knows a newer change than we do leaves a gap; an older replica's beat does not", () => {
    const changes = new AuthorityChanges();
    changes.apply(notice({ kind: "beat", revision: 5 }), 0);
    expect(changes.apply(notice({ kind: "beat", revision: 4, origin: "slow" }), 0)).toBe("followed");
    expect(changes.apply(notice({ kind: "beat", revision: 6 }), 0)).toBe("gap");
    expect(changes.doubts(5)).toBe(true);
    expect(changes.doubts(6)).toBe(false);
  });

  test("a new epoch ends belief in the old one", () => {
    const changes = new AuthorityChanges();
    changes.apply(notice({ kind: "beat", revision: 50 }), 0);
    expect(changes.apply(notice({ kind: "beat", revision: 3, epoch: "next" }), 0)).toBe("epoch");
    expect(changes.outdated(facts(3))).toBe(false);
  });

  test("what it no longer remembers it does not believe", () => {
    const changes = new AuthorityChanges();
    changes.apply(notice({ kind: "beat", revision: 0 }), 0);
    for (let revision = 1; revision <= 600; revision += 1) {
      changes.apply(notice({ previous: revision - 1, revision, sessions: [`other-${revision}`] }), 0);
    }
    expect(changes.outdated(facts(10))).toBe(true);
    expect(changes.outdated(facts(590))).toBe(false);
  });
});
