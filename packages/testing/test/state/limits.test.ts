import type { Result } from "@trellis/result";
import { defineAgentContract } from "@trellis/contracts";
import { Refused } from "@trellis/sdk";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { makePerson } from "../feeds/kit/people.ts";

const LIMITS = { stateMaxEntries: 8, stateMaxEntriesOfAll: 12, stateMaxValueBytes: 1_000, stateRequestsPerSecond: 50 };

/** A contract of this name with a map and a value of anything. */
function keeper(name: string) {
  return defineAgentContract({ schemas: { Any: Type.Unknown() } }, (ref) => ({
    id: `${name}@v1`,
    displayName: "Keeper",
    description: "Keeps.",
    state: { map: { kind: "map", schema: ref.schema("Any") }, value: { kind: "value", schema: ref.schema("Any") } },
  }));
}

function codeOf(result: Result<unknown, Error>): string {
  if (result.ok) return "ok";
  return result.error instanceof Refused ? result.error.code : `${result.error.name}: ${result.error.message}`;
}

describe("state at its limits", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform({ config: LIMITS });
  });
  afterAll(() => platform?.stop());

  it("takes a value of exactly the limit and none larger", async () => {
    const { state } = await (await makePerson(platform, "ada", [])).connect(keeper("sizes"));
    const quotes = 2;
    expect(codeOf(await state.value.put("x".repeat(LIMITS.stateMaxValueBytes - quotes)))).toBe("ok");
    expect(codeOf(await state.value.put("x".repeat(LIMITS.stateMaxValueBytes - quotes + 1)))).toBe("value_too_large");
    // Bytes count, not characters.
    expect(codeOf(await state.value.put("ü".repeat(LIMITS.stateMaxValueBytes / 2 - 1)))).toBe("ok");
    expect(codeOf(await state.value.put("ü".repeat(LIMITS.stateMaxValueBytes / 2)))).toBe("value_too_large");
  });

  it("takes as many entries of a contract as the limit says, and goes on changing those", async () => {
    const { state } = await (await makePerson(platform, "bea", [])).connect(keeper("many"));
    for (let n = 0; n < LIMITS.stateMaxEntries; n += 1) expect(codeOf(await state.map.put(`k${n}`, n))).toBe("ok");
    expect(codeOf(await state.map.put("one-more", 1))).toBe("too_many_entries");
    expect(codeOf(await state.value.put(1))).toBe("too_many_entries");
    expect(codeOf(await state.map.put("k0", "changed"))).toBe("ok");
    // A deleted one counts for a while, so that deleting is no way around the limit; its own place is free at once.
    expect(codeOf(await state.map.delete("k0"))).toBe("ok");
    expect(codeOf(await state.map.put("one-more", 1))).toBe("too_many_entries");
  });

  it("takes so many entries of all contracts of a person together", async () => {
    const cid = await makePerson(platform, "cid", []);
    const [first, second] = [await cid.connect(keeper("first")), await cid.connect(keeper("second"))];
    for (let n = 0; n < 8; n += 1) expect(codeOf(await first.state.map.put(`k${n}`, n))).toBe("ok");
    for (let n = 0; n < 4; n += 1) expect(codeOf(await second.state.map.put(`k${n}`, n))).toBe("ok");
    expect(codeOf(await second.state.map.put("k4", 1))).toBe("too_many_entries");
    const other = await (await makePerson(platform, "dan", [])).connect(keeper("first"));
    expect(codeOf(await other.state.map.put("k", 1))).toBe("ok");
  });

  it("answers so many requests a second; what is too many is asked again by the runtime", async () => {
    const { state } = await (await makePerson(platform, "eve", [])).connect(keeper("busy"));
    const perSecond = LIMITS.stateRequestsPerSecond;
    const startedAt = performance.now();
    // Twice as many as a second's are answered at once; the others take two seconds at the least.
    const asked = Array.from({ length: perSecond * 4 }, () => state.value.get({ timeoutMs: 60_000 }));
    expect((await Promise.all(asked)).map(codeOf)).toEqual(asked.map(() => "ok"));
    expect(performance.now() - startedAt).toBeGreaterThan(1_500);
  });
});
