import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { ValidationError } from "@trellis/protocol";
import { Refused, StateConflict, StateUnreadable } from "@trellis/sdk";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { newNotes, notes } from "./notes-contract.ts";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform?.stop());

describe("one value", () => {
  it("is there for every session of its person, under every version of the contract", async () => {
    const here = await platform.connectClient(notes);
    const there = await platform.connectClient(newNotes);
    expect(await here.state.preferences.get().orThrow()).toBeUndefined();
    const { revision } = await here.state.preferences.put({ theme: "dark", size: 12 }).orThrow();
    const mine = await here.state.preferences.get().orThrow();
    expect(mine).toMatchObject({ value: { theme: "dark", size: 12 }, revision });
    expect(mine?.at.getTime()).toBeGreaterThan(Date.now() - 60_000);
    await here.state.notes.put("a", { text: "x" }).orThrow();
    expect(await there.state.notes.get("a").orThrow()).toMatchObject({ key: "a", value: { text: "x" } });
    expect(await here.state.preferences.delete().orThrow()).toEqual({ existed: true });
    expect(await here.state.preferences.delete().orThrow()).toEqual({ existed: false });
    expect(await there.state.preferences.get().orThrow()).toBeUndefined();
    await here.state.notes.delete("a").orThrow();
  });

  it("is changed only where it is expected", async () => {
    const { state } = await platform.connectClient(notes);
    const first = await state.preferences.put({ theme: "a", size: 1 }, { expectedRevision: 0 }).orThrow();
    const again = await state.preferences.put({ theme: "b", size: 1 }, { expectedRevision: 0 });
    expect(again.ok).toBe(false);
    if (!again.ok) expect(again.error).toBeInstanceOf(StateConflict);
    if (!again.ok && again.error instanceof StateConflict) expect(again.error.revision).toBe(first.revision);
    const second = await state.preferences.put({ theme: "b", size: 1 }, { expectedRevision: first.revision }).orThrow();
    expect(second.revision).toBeGreaterThan(first.revision);
    const late = await state.preferences.delete({ expectedRevision: first.revision });
    expect(!late.ok && late.error).toBeInstanceOf(StateConflict);
    expect(await state.preferences.delete({ expectedRevision: second.revision }).orThrow()).toEqual({ existed: true });
    const gone = await state.preferences.put({ theme: "b", size: 1 }, { expectedRevision: second.revision });
    expect(!gone.ok && gone.error instanceof StateConflict && gone.error.revision).toBe(0);
  });

  it("ends by itself when it was put for a while", async () => {
    const { state } = await platform.connectClient(notes);
    await state.preferences.put({ theme: "a", size: 1 }, { ttlMs: 1_000 }).orThrow();
    expect(await state.preferences.get().orThrow()).toBeDefined();
    await eventually("it ends", async () => (await state.preferences.get().orThrow()) === undefined);
  });

  it("is checked on both sides", async () => {
    const { state, request } = await platform.connectClient(notes);
    // @ts-expect-error the contract says that there is a size
    const here = await state.preferences.put({ theme: "a" });
    expect(!here.ok && here.error).toBeInstanceOf(ValidationError);
    // @ts-expect-error the type of a client knows the stores and not what they are made of
    const there = await request("State.Put", { store: "preferences", value: { theme: "a" } });
    expect(!there.ok && there.error).toMatchObject({ issues: [{ path: expect.stringContaining("/value") }] });
    expect(await state.preferences.get().orThrow()).toBeUndefined();
  });
});

describe("a map", () => {
  it("lists by prefix, in pages", async () => {
    const { state } = await platform.connectClient(notes);
    const keys = ["a", "drafts/1", "drafts/2024/x", "drafts/2025/y", "drafty", "ümläut/*/>.x", "a b"];
    for (const key of keys) await state.notes.put(key, { text: key }).orThrow();
    const all = async (prefix: string, limit = 500): Promise<string[]> => {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await state.notes.list({ prefix, limit, ...(cursor === undefined ? {} : { cursor }) }).orThrow();
        expect(page.entries.length).toBeLessThanOrEqual(limit);
        for (const { key, value } of page.entries) {
          expect(value).toEqual({ text: key });
          found.push(key);
        }
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      return found;
    };
    expect(await all("")).toEqual(keys);
    expect(await all("", 2)).toEqual(keys);
    expect(await all("drafts/")).toEqual(["drafts/1", "drafts/2024/x", "drafts/2025/y"]);
    expect(await all("draft")).toEqual(["drafts/1", "drafts/2024/x", "drafts/2025/y", "drafty"]);
    expect(await all("drafts/202", 1)).toEqual(["drafts/2024/x", "drafts/2025/y"]);
    expect(await all("nothing")).toEqual([]);
    // What is written again moves to the end, what is deleted goes.
    await state.notes.put("a", { text: "a" }).orThrow();
    await state.notes.delete("drafty").orThrow();
    expect(await all("", 3)).toEqual([...keys.filter((key) => key !== "a" && key !== "drafty"), "a"]);
    for (const key of keys) await state.notes.delete(key).orThrow();
    expect(await all("")).toEqual([]);
  });

  it("has keys of text in segments, and no others", async () => {
    const { state } = await platform.connectClient(notes);
    for (const key of ["", "/a", "a/", "a//b", "\ud800", "ü".repeat(101)]) {
      const put = await state.notes.put(key, { text: "x" });
      expect(put.ok, key).toBe(false);
      if (!put.ok)
        expect(put.error instanceof Refused ? put.error.code : put.error.name).toMatch(/invalid_key|ValidationError/);
    }
    for (const key of ["..", ".", "*", ">", "$KV.STATE.x", "a/../b", "ü".repeat(100)]) {
      await state.notes.put(key, { text: key }).orThrow();
      expect((await state.notes.get(key).orThrow())?.value).toEqual({ text: key });
      await state.notes.delete(key).orThrow();
    }
    // @ts-expect-error a value has no keys
    const list: unknown = state.preferences.list;
    expect(list).toBeUndefined();
  });
});

describe("versions", () => {
  it("a value of an older version is handed out as such, with its type, and can be migrated", async () => {
    const old = await platform.connectClient(notes);
    const { state } = await platform.connectClient(newNotes);
    await old.state.preferences.put({ theme: "dark", size: 3 }).orThrow();
    const read = await state.preferences.get().orThrow();
    if (read?.migrationRequired === undefined) throw new Error("it reads as the new version");
    const { stateVersion, value } = read.migrationRequired;
    expect([stateVersion, value.theme, value.size, read.value]).toEqual(["v1", "dark", 3, undefined]);

    const migrating = state.preferences.migrating({ v1: ({ theme }) => ({ look: { theme } }) });
    const migrated = await migrating.get().orThrow();
    expect(migrated).toMatchObject({ value: { look: { theme: "dark" } }, revision: read.revision });
    // Nothing was written: the old version still reads its own.
    expect((await old.state.preferences.get().orThrow())?.value).toEqual({ theme: "dark", size: 3 });
    const wrong = await state.preferences.migrating({ v1: () => ({ look: { theme: Reflect.get({}, "x") } }) }).get();
    expect(!wrong.ok && wrong.error).toBeInstanceOf(ValidationError);

    await migrating.put({ look: { theme: "light" } }, { expectedRevision: read.revision }).orThrow();
    expect((await state.preferences.get().orThrow())?.value).toEqual({ look: { theme: "light" } });
  });

  it("what a newer version wrote is never read as something else, nor overwritten unseen", async () => {
    const { state } = await platform.connectClient(notes);
    const read = await state.preferences.get();
    if (read.ok || !(read.error instanceof StateUnreadable)) throw new Error("it was read");
    expect(read.error.stateVersion).toBe("v2");
    const put = await state.preferences.put({ theme: "x", size: 1 });
    expect(!put.ok && put.error).toBeInstanceOf(StateUnreadable);
    await state.preferences.put({ theme: "x", size: 1 }, { expectedRevision: read.error.revision }).orThrow();
    expect((await state.preferences.get().orThrow())?.value).toEqual({ theme: "x", size: 1 });
    await state.preferences.delete().orThrow();
  });

  it("what does not fit the schema of its own version is unreadable, alone and in a list", async () => {
    const { state } = await platform.connectClient(notes);
    const looser = await platform.connectClient(
      defineAgentContract({ schemas: { Any: Type.Unknown() } }, (ref) => ({
        id: "notes@v1",
        displayName: "Notes",
        description: "Somebody changed the schema and not the version.",
        state: { notes: { kind: "map", schema: ref.schema("Any") } },
      })),
    );
    await looser.state.notes.put("broken", 42).orThrow();
    await state.notes.put("good", { text: "x" }).orThrow();
    const read = await state.notes.get("broken");
    expect(!read.ok && read.error).toBeInstanceOf(StateUnreadable);
    const page = await state.notes.list().orThrow();
    expect(page.entries.map(({ key }) => key)).toEqual(["good"]);
    expect(page.unreadable.map(({ key }) => key)).toEqual(["broken"]);
    await state.notes.put("broken", { text: "mended" }).orThrow();
    expect((await state.notes.list().orThrow()).unreadable).toEqual([]);
    for (const key of ["broken", "good"]) await state.notes.delete(key).orThrow();
  });
});

describe("who has none", () => {
  it("a store the contract does not declare is named as such", async () => {
    const client = await platform.connectClient(notes);
    // @ts-expect-error a name the types do not know
    const result = await client.request("State.Get", { store: "secrets" });
    if (result.ok || !(result.error instanceof Refused)) throw new Error("there is such a store");
    expect([result.error.code, result.error.next]).toEqual(["unknown_store", "It declares preferences, notes."]);
  });

  it("a service cannot declare it, and its manifest is refused by the platform", async () => {
    const Any = Type.Unknown();
    const manifest = {
      ...defineServiceContract({ schemas: { Any } }, () => ({ id: "sly@v1", displayName: "Sly", description: "Sly." }))
        .manifest,
      schemas: { Any: true },
      state: { secrets: { kind: "map", schema: { schema: "Any" } } },
    };
    await platform.admin.rpc.auth.deploymentsCreate({ name: "sly" }).orThrow();
    const plan = await platform.admin.rpc.auth.authorityPlan({ deployment: "sly", manifest });
    expect(!plan.ok && plan.error.message).toContain("a service has no state of a user or device");
  });
});
