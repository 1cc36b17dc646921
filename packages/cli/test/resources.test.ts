import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TrellisClient } from "@trellis/client/node";
import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { resources } from "@trellis/sdk";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { type LocalFolder, startInFolder } from "./local-folder.ts";
import { runCaptured } from "./run-captured.ts";

const Note = Type.Object({ text: Type.String({ maxLength: 900_000 }) });
const common = { id: "notes@v1", displayName: "Notes", description: "Keeps notes." } as const;
const notes = defineServiceContract({ schemas: { Note } }, (ref) => ({
  ...common,
  resources: {
    kv: {
      notes: { purpose: "Notes", schema: ref.schema("Note"), history: 3 },
      drafts: { purpose: "Drafts", schema: ref.schema("Note") },
    },
    store: { files: { purpose: "Files" }, small: { purpose: "Small files", maxObjectBytes: 1_000 } },
  },
}));
const without = defineServiceContract({ schemas: { Note } }, (ref) => ({
  ...common,
  resources: { kv: { notes: { purpose: "Notes", schema: ref.schema("Note"), history: 3 } } },
}));

const operating = defineAgentContract({}, () => ({
  id: "operating@v1",
  displayName: "Operating",
  description: "Reads keys.",
  uses: { required: { resources: resources.use({ rpc: { call: ["Trellis.Kv.Keys"] } }) } },
}));

let folder: LocalFolder;
let service: TrellisService<typeof notes>;

const connect = <const C extends typeof notes | typeof without>(contract: C) =>
  TrellisService.connect<C>({
    contract,
    name: "notes",
    cwd: folder.cwd,
    env: {},
    log: SILENT_LOG,
    onNotice: () => undefined,
  });

beforeAll(async () => {
  folder = await startInFolder();
  service = await connect(notes);
  await service.start();
});
afterAll(async () => {
  await service?.stop();
  await folder?.[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(args, { cwd: folder.cwd });

/** The JSON answer of a command that must succeed. */
async function answer(...args: string[]) {
  const { exitCode, stdout, stderr } = await trellis(...args, "--json");
  expect({ exitCode, stderr }).toEqual({ exitCode: EXIT.ok, stderr: "" });
  return JSON.parse(stdout);
}

/** What was recorded about the service, newest first. */
const audited = async (action: string): Promise<unknown> =>
  (await answer("audit", "--target", "notes", "--action", action)).records;

/** The failure of a command that must not. */
async function failure(...args: string[]): Promise<{ exitCode: number; code: string; why: string; next: string }> {
  const { exitCode, stderr } = await trellis(...args, "--json");
  const { error } = JSON.parse(stderr);
  return { exitCode, code: error.code, why: [error.what, ...error.why].join(" "), next: error.next.join(" ") };
}

describe("trellis kv", () => {
  test("shows what a service keeps, as it is stored", async () => {
    const first = await service.kv.notes.put("a.1", { text: "one" }).orThrow();
    await service.kv.notes.put("a.1", { text: "two" }).orThrow();
    await service.kv.notes.put("b.1", { text: "three" }).orThrow();
    await service.kv.notes.put("b.2", { text: "gone" }).orThrow();
    await service.kv.notes.delete("b.2").orThrow();
    expect(await answer("kv", "keys", "notes", "notes")).toEqual(["a.1", "b.1"]);
    expect(await answer("kv", "keys", "notes", "notes", "b.>")).toEqual(["b.1"]);
    expect(await answer("kv", "get", "notes", "notes", "a.1")).toMatchObject({ value: { text: "two" }, revision: 2 });
    expect(await answer("kv", "history", "notes", "notes", "a.1")).toMatchObject([
      { type: "put", value: { text: "one" }, revision: first.revision },
      { type: "put", value: { text: "two" } },
    ]);
    expect(await answer("kv", "history", "notes", "notes", "b.2")).toMatchObject([
      { type: "put" },
      { type: "end", reason: "deleted" },
    ]);
    const { stdout } = await trellis("kv");
    expect((await trellis("kv", "buckets")).stdout).toBe(stdout);
    expect(stdout).toMatch(/notes +drafts +used/);
    expect(await failure("kv", "get", "notes", "notes", "b.2")).toMatchObject({ exitCode: EXIT.notFound });
    expect(await failure("kv", "keys", "notes", "nots")).toMatchObject({ exitCode: EXIT.notFound });
    expect(await failure("kv", "keys", "other", "notes")).toMatchObject({ exitCode: EXIT.notFound });
    expect(await failure("kv", "keys", "notes", "notes", "b..")).toMatchObject({ code: "invalid_key" });
  });

  test("a value that does not fit into an answer is refused with its size; in a history it is left out", async () => {
    await service.kv.drafts.put("long", { text: "x".repeat(800_000) }).orThrow();
    const { why } = await failure("kv", "get", "notes", "drafts", "long");
    expect(why).toMatch(/800011 bytes.*in the service/);
    expect(await answer("kv", "history", "notes", "drafts", "long")).toMatchObject([
      { type: "put", problem: expect.stringContaining("800011 bytes") },
    ]);
  });

  test("changes nothing unless somebody says that they know, and then by the rules of the contract", async () => {
    expect(await failure("kv", "put", "notes", "notes", "c", '{"text":"four"}')).toMatchObject({
      code: "acknowledge_required",
      exitCode: EXIT.refused,
    });
    expect(await failure("kv", "put", "notes", "notes", "c", '{"txt":"four"}', "--acknowledge")).toMatchObject({
      code: "invalid_value",
      why: "The value for c does not fit its schema: /text: is missing.",
    });
    expect(await failure("kv", "put", "notes", "notes", "c", "four", "--acknowledge")).toMatchObject({
      code: "input_not_json",
    });
    expect((await service.kv.notes.get("c", { fresh: true }).orThrow())?.value).toBeUndefined();

    const heard: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const change of service.kv.notes.watch("c", { signal: stop.signal })) heard.push(change.type);
    })();
    const put = await answer("kv", "put", "notes", "notes", "c", '{"text":"four"}', "--revision", "0", "--acknowledge");
    expect((await service.kv.notes.get("c", { fresh: true }).orThrow())?.value).toEqual({ text: "four" });
    expect(
      await failure("kv", "put", "notes", "notes", "c", '{"text":"five"}', "--revision", "1", "--acknowledge"),
    ).toMatchObject({ code: "conflict" });
    await answer("kv", "delete", "notes", "notes", "c", "--revision", String(put.revision), "--acknowledge");
    expect(await service.kv.notes.get("c", { fresh: true }).orThrow()).toBeUndefined();
    await expect.poll(() => heard, { timeout: 20_000 }).toContain("end");
    stop.abort();
    await watching;

    await expect
      .poll(() => audited("kv"), { timeout: 20_000 })
      .toMatchObject([
        { action: "kv.delete", actor: "developer", detail: { bucket: "notes", key: "c" } },
        // Those that were refused, for their revision and for their schema, are told like the one between.
        { action: "kv.put" },
        { action: "kv.put" },
        { action: "kv.put" },
      ]);
  });

  test("watches: what there is, then what changes", async () => {
    const leave = new AbortController();
    let ended = false;
    const watching = runCaptured(["kv", "watch", "notes", "notes", "b.>", "--json", "--limit", "4"], {
      cwd: folder.cwd,
      signal: leave.signal,
    });
    const writing = (async () => {
      for (let n = 0; !ended; n += 1) {
        await service.kv.notes.put("b.9", { text: `live ${n}` }).orThrow();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    const { exitCode, stdout } = await watching;
    ended = true;
    await writing;
    expect(exitCode).toBe(EXIT.ok);
    const changes = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(changes.map(({ type }) => type)).toContain("ready");
    expect(changes).toContainEqual(expect.objectContaining({ type: "put", key: "b.1", value: { text: "three" } }));
    expect(await failure("kv", "watch", "notes", "nots")).toMatchObject({
      why: expect.stringContaining("nots of notes"),
    });
  });
});

describe("trellis store", () => {
  test("sends and fetches files of any size, whole and verified", async () => {
    const bytes = randomBytes(3_400_000);
    writeFileSync(join(folder.cwd, "big.bin"), bytes);
    const sent = await answer("store", "put", "notes", "files", "big.bin", "--type", "x/y", "--acknowledge");
    expect(sent).toMatchObject({ name: "big.bin", size: bytes.length, contentType: "x/y" });
    const { body, info } = await service.store.files.get("big.bin").orThrow();
    expect(info.contentType).toBe("x/y");
    expect(Buffer.from(await new Response(body).arrayBuffer()).equals(bytes)).toBe(true);
    const fetched = await answer("store", "get", "notes", "files", "big.bin", "--out", "again.bin");
    expect(readFileSync(fetched.file).equals(bytes)).toBe(true);
    expect(fetched.digest).toBe(`SHA-256=${createHash("sha256").update(bytes).digest("base64url")}=`);
    expect((await trellis("store", "list", "notes", "files")).stdout).toMatch(/big\.bin +3\.2 MiB +x\/y/);
    expect((await trellis("store")).stdout).toMatch(/notes +files +used/);
    expect(await answer("store", "info", "notes", "files", "big.bin")).toMatchObject({ size: bytes.length });

    writeFileSync(join(folder.cwd, "other.bin"), "");
    const named = ["store", "put", "notes", "files", "other.bin", "--name", "empty.bin", "--acknowledge"];
    expect(await answer(...named)).toMatchObject({ name: "empty.bin", size: 0 });
    expect(await answer("store", "get", "notes", "files", "empty.bin", "--out", "none.bin")).toMatchObject({ size: 0 });

    expect(await answer("store", "delete", "notes", "files", "big.bin", "--acknowledge")).toEqual({ deleted: true });
    expect(await service.store.files.info("big.bin").orThrow()).toBeUndefined();
    expect(await failure("store", "get", "notes", "files", "big.bin")).toMatchObject({ exitCode: EXIT.notFound });
    await expect
      .poll(() => audited("store"), { timeout: 20_000 })
      .toMatchObject([
        { action: "store.delete", detail: { store: "files", object: "big.bin" } },
        { action: "store.put", detail: { object: "empty.bin" } },
        { action: "store.put", detail: { object: "big.bin" } },
      ]);
  });

  test("lists objects with the longest names and many words about them, however many pages that takes", async () => {
    const names = Array.from({ length: 8 }, (_, n) => `${n}${"n".repeat(511)}`);
    // Of everything, more than one message holds.
    const metadata = { about: "m".repeat(600_000) };
    for (const name of names) await service.store.files.put(name, new Uint8Array(9), { metadata }).orThrow();
    const listed: readonly { readonly name: string }[] = await answer("store", "list", "notes", "files");
    expect(listed.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    for (const name of names) await service.store.files.delete(name).orThrow();

    const key = (n: number) => `${n}.${"k".repeat(300)}`;
    for (const n of [1, 2, 3]) await service.kv.notes.put(key(n), { text: "x" }).orThrow();
    const client = await TrellisClient.connect({
      contract: operating,
      cwd: folder.cwd,
      env: {},
      onNotice: () => undefined,
    });
    const bucket = { deployment: "notes", bucket: "notes", filter: "*.*" };
    const page = await client.rpc.trellis.kvKeys({ ...bucket, limit: 1, cursor: key(1) }).orThrow();
    expect(page).toEqual({ keys: [key(2)], nextCursor: key(2) });
    await client.close();
    for (const n of [1, 2, 3]) await service.kv.notes.purge(key(n)).orThrow();
  });

  test("keeps to the limits of the contract, and changes nothing unless somebody says that they know", async () => {
    writeFileSync(join(folder.cwd, "large.bin"), randomBytes(2_000));
    expect(await failure("store", "put", "notes", "small", "large.bin")).toMatchObject({
      code: "acknowledge_required",
    });
    expect(await failure("store", "put", "notes", "small", "large.bin", "--acknowledge")).toMatchObject({
      code: "object_too_large",
    });
    expect(await failure("store", "put", "notes", "small", "nothing.bin", "--acknowledge")).toMatchObject({
      code: "no_file",
    });
    expect(await failure("store", "put", "notes", "small", ".", "--acknowledge")).toMatchObject({
      code: "no_file",
      why: ". is a folder; a store holds files",
    });
    expect(await service.store.small.list().orThrow()).toEqual([]);
  });
});

test.each([
  ["kv", "buckets", "nobody"],
  ["kv", "watch", "notes", "nothing"],
  ["store", "list", "nobody"],
  ["events", "lag", "nobody"],
  ["events", "dead-letters", "list", "--service", "nobody"],
  ["events", "replay", "--all", "notes.nothing"],
  ["jobs", "list", "--service", "nobody"],
  ["jobs", "schedules", "list", "--service", "nobody"],
  ["operations", "list", "--service", "nobody"],
  ["svc", "plans", "nobody"],
  ["svc", "instances", "nobody"],
])("%s %s of a name that nobody has is no empty list", async (...args) => {
  expect(await failure(...args)).toMatchObject({ code: "not_found", exitCode: EXIT.notFound });
});

test("a service that has none of something is told from one that is not there", async () => {
  expect(await answer("events", "lag", "notes")).toEqual([]);
  const { stdout } = await runCaptured(["events", "lag", "notes"], { cwd: folder.cwd });
  expect(stdout).toBe("notes has no consumer group.\n");
});

test("a removed alias keeps its data until it is purged, knowingly", async () => {
  await service.kv.drafts.put("kept", { text: "still here" }).orThrow();
  expect(await failure("svc", "purge", "notes", "drafts", "--acknowledge", "notes_drafts")).toMatchObject({
    code: "in_use",
  });
  await service.stop();
  const next = await connect(without);
  await next.stop();

  const released = await answer("svc", "resources", "notes", "--released");
  expect(released).toMatchObject([
    { alias: "drafts", kind: "kv", state: "released", physical: "notes_drafts", entries: 2 },
    { alias: "files", kind: "store", state: "released" },
    { alias: "small", kind: "store", state: "released" },
  ]);
  // What the platform keeps for itself is nobody's to look into or to purge.
  const everything = await answer("svc", "resources");
  expect(new Set(everything.map(({ deployment }: { deployment: string }) => deployment))).toEqual(new Set(["notes"]));
  expect(await failure("svc", "purge", "trellis", "STATE", "--acknowledge", "STATE")).toMatchObject({
    exitCode: EXIT.notFound,
  });

  // Released data can still be looked at, and not be changed.
  expect(await answer("kv", "get", "notes", "drafts", "kept")).toMatchObject({ value: { text: "still here" } });
  expect(await failure("kv", "delete", "notes", "drafts", "kept", "--acknowledge")).toMatchObject({
    exitCode: EXIT.notFound,
  });

  const refused = await failure("svc", "purge", "notes", "drafts");
  expect(refused).toMatchObject({ code: "acknowledge_required", exitCode: EXIT.refused });
  expect(refused.next).toContain("trellis svc purge notes drafts --acknowledge notes_drafts");
  expect(await answer("svc", "purge", "notes", "drafts", "--acknowledge", "notes_drafts")).toEqual({
    physical: "notes_drafts",
    kind: "kv",
    done: true,
  });
  expect(await failure("svc", "purge", "notes", "drafts", "--acknowledge", "notes_drafts")).toMatchObject({
    exitCode: EXIT.notFound,
  });
  await expect
    .poll(() => audited("resource"), { timeout: 20_000 })
    .toMatchObject([{ action: "resource.purge", target: "notes", detail: { physical: "notes_drafts" } }]);

  // Back again, the alias begins anew; what was released beside it and not purged is there as it was.
  service = await connect(notes);
  expect(await service.kv.drafts.get("kept").orThrow()).toBeUndefined();
  expect((await service.kv.notes.get("b.1").orThrow())?.value).toEqual({ text: "three" });
  await service.stop();

  await trellis("svc", "disable", "notes");
  expect((await trellis("svc", "remove", "notes")).exitCode).toBe(EXIT.ok);
  const left = await answer("svc", "resources", "notes");
  expect(left.map(({ alias, state }: { alias: string; state: string }) => `${alias} ${state}`)).toEqual([
    "drafts released",
    "notes released",
    "files released",
    "small released",
  ]);
  for (const { alias, physical } of left) await answer("svc", "purge", "notes", alias, "--acknowledge", physical);
  expect(await answer("svc", "resources", "notes")).toEqual([]);
});
