import { defineAgentContract } from "@trellis/contracts";
import { Refused, state } from "@trellis/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { makePerson, type Person } from "../feeds/kit/people.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { collectState } from "./collect-state.ts";
import { notes } from "./notes-contract.ts";

describe("administrators", () => {
  let platform: TestPlatform;
  let ada: Person;
  beforeAll(async () => {
    platform = await startPlatform({ config: { stateMaxEntries: 5_000, stateRequestsPerSecond: 100_000 } });
    ada = await makePerson(platform, "ada", []);
  });
  afterAll(() => platform?.stop());

  it("see what is stored for whom, entry by entry", async () => {
    await using client = await ada.connect(notes);
    await client.state.preferences.put({ theme: "dark", size: 1 }).orThrow();
    for (const key of ["a", "b/1", "b/2"]) await client.state.notes.put(key, { text: key }).orThrow();
    const { rpc } = platform.admin;
    const overview = {
      stores: [
        { contract: "notes", store: "notes", kind: "map", entries: 3, digest: notes.digest },
        { contract: "notes", store: "preferences", kind: "value", entries: 1, digest: notes.digest },
      ],
    };
    expect(await rpc.state.adminOverview({ user: "ada" }).orThrow()).toEqual(overview);
    const place = { user: "ada", contract: "notes" };
    const some = await rpc.state.adminList({ ...place, store: "notes", prefix: "b/" }).orThrow();
    expect(some.entries.map(({ key, value }) => [key, value])).toEqual([
      ["b/1", { text: "b/1" }],
      ["b/2", { text: "b/2" }],
    ]);
    expect((await rpc.state.adminList({ ...place, store: "preferences" }).orThrow()).entries).toMatchObject([
      { value: { theme: "dark", size: 1 }, stateVersion: "v1" },
    ]);
    expect(await rpc.state.adminGet({ ...place, store: "notes", key: "a" }).orThrow()).toMatchObject({
      entry: { key: "a", value: { text: "a" } },
    });
    // The person sees the same of what is its own, through whichever contract asks.
    await using looking = await ada.connect(
      defineAgentContract({
        id: "look@v1",
        displayName: "Look",
        description: "Looks at what there is.",
        uses: { required: { state: state.use({ rpc: { call: ["State.Overview"] } }) } },
      }),
    );
    expect(await looking.rpc.state.overview({}).orThrow()).toEqual(overview);
  });

  it("end an entry, and everything only when they say that they know; both are in the audit log", async () => {
    await using client = await ada.connect(notes);
    await using watch = collectState((options) => client.state.notes.watch(options));
    await watch.ready();
    const { rpc } = platform.admin;
    const place = { user: "ada", contract: "notes", store: "notes" };
    expect(await rpc.state.adminDelete({ ...place, key: "a" }).orThrow()).toEqual({ existed: true });
    expect(await rpc.state.adminDelete({ ...place, key: "a" }).orThrow()).toEqual({ existed: false });
    const unsaid = await rpc.state.adminPurge({ user: "ada" });
    expect(!unsaid.ok && unsaid.error instanceof Refused && unsaid.error.code).toBe("not_acknowledged");
    expect((await client.state.notes.list().orThrow()).entries).toHaveLength(2);
    const purged = await rpc.state.adminPurge({ user: "ada", contract: "notes", acknowledge: true }).orThrow();
    expect(purged).toEqual({ deleted: 3, more: false });
    expect((await client.state.notes.list().orThrow()).entries).toEqual([]);
    expect(await client.state.preferences.get().orThrow()).toBeUndefined();
    await eventually("whoever watches hears of it", () =>
      ["a", "b/1", "b/2"].every((key) => watch.changes.some((each) => each.type === "end" && each.key === key)),
    );
    const records = await eventually("it is in the audit log", async () => {
      const page = await rpc.auth.auditList({ action: "state" }).orThrow();
      return page.records.length >= 3 && page.records;
    });
    expect(records.map(({ action, target, detail }) => [action, target, detail])).toEqual([
      ["state.purge", "ada", { contract: "notes" }],
      ["state.delete", "ada", { entry: "notes notes a" }],
      ["state.delete", "ada", { entry: "notes notes a" }],
    ]);
  });

  it("purge more than one call can end by asking again", { timeout: 120_000 }, async () => {
    await using client = await ada.connect(notes);
    const count = 620;
    const waiting = Array.from({ length: count }, (_, n) => `k${n}`).values();
    const writer = async (): Promise<void> => {
      for (const key of waiting) await client.state.notes.put(key, { text: "x" }, { timeoutMs: 60_000 }).orThrow();
    };
    await Promise.all(Array.from({ length: 16 }, writer));
    const { rpc } = platform.admin;
    let deleted = 0;
    let calls = 0;
    for (let more = true; more; calls += 1) {
      const purged = await rpc.state.adminPurge({ user: "ada", acknowledge: true }, { timeoutMs: 60_000 }).orThrow();
      deleted += purged.deleted;
      more = purged.more;
    }
    expect([deleted, calls]).toEqual([count, 2]);
    expect((await client.state.notes.list().orThrow()).entries).toEqual([]);
  });
});
