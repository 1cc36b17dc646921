import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { StoreError, type Store, type StoreDownload } from "@trellis/server/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { openDataAccount } from "./data-account.ts";
import { stock } from "./stock-contract.ts";

let platform: TestPlatform;
let data: Awaited<ReturnType<typeof openDataAccount>>;

beforeAll(async () => {
  platform = await startPlatform();
  data = await openDataAccount(platform);
});
afterAll(async () => {
  await data?.[Symbol.asyncDispose]();
  await platform?.stop();
});

async function failure(result: PromiseLike<{ ok: boolean; error?: unknown }>): Promise<StoreError> {
  const { ok, error } = await result;
  if (ok || !(error instanceof StoreError)) throw new Error(`expected a StoreError, not ${String(error)}`);
  return error;
}

async function bytesOf({ body }: StoreDownload): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Gives a body in pieces of odd sizes. */
async function* inPieces(bytes: Uint8Array, size = 70_001): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const messages = async (stream: string): Promise<number> => (await data.info(stream)).state.messages;

describe("an object store", () => {
  let files: Store;
  beforeAll(async () => {
    files = (await platform.connectService(stock, { name: "files" })).store.files;
  });

  it("stores and reads objects of all sizes, and knows their digest", async () => {
    for (const size of [0, 1, 131_071, 131_072, 131_073, 3_000_000]) {
      const bytes = randomBytes(size);
      const name = `object ${size} / ü`;
      const stored = await files
        .put(name, inPieces(bytes), { contentType: "text/plain", metadata: { by: "me" } })
        .orThrow();
      const digest = `SHA-256=${createHash("sha256").update(bytes).digest("base64url")}=`;
      expect(stored).toMatchObject({ name, size, digest, contentType: "text/plain", metadata: { by: "me" } });
      const download = await files.get(name).orThrow();
      expect(download.info).toMatchObject({ name, size, digest, contentType: "text/plain", metadata: { by: "me" } });
      expect((await bytesOf(download)).equals(bytes), name).toBe(true);
    }
    expect((await files.list().orThrow()).map(({ size }) => size)).toEqual([
      0, 1, 131_071, 131_072, 131_073, 3_000_000,
    ]);
    expect(await files.status().orThrow()).toMatchObject({
      objects: 6,
      bytes: 131_071 + 131_072 + 131_073 + 3_000_001,
    });
  });

  it("takes bytes and web streams, and tells how far it is", async () => {
    const bytes = randomBytes(1_000_000);
    const up: number[] = [];
    const down: number[] = [];
    await files.put("bytes", bytes, { onProgress: (progress) => up.push(progress.bytes) }).orThrow();
    expect(up.at(-1)).toBe(bytes.length);
    await files.put("stream", new Blob([bytes]).stream()).orThrow();
    const download = await files.get("stream", { onProgress: (progress) => down.push(progress.bytes) }).orThrow();
    expect((await bytesOf(download)).equals(bytes)).toBe(true);
    expect(down.at(-1)).toBe(bytes.length);
    expect(up.length).toBeGreaterThan(3);
  });

  it("reads ranges, also when uploads ran side by side", async () => {
    const objects = Array.from({ length: 3 }, () => randomBytes(2_000_000));
    await Promise.all(objects.map((bytes, index) => files.put(`side ${index}`, inPieces(bytes)).orThrow()));
    for (const [index, bytes] of objects.entries()) {
      for (const [start, end] of [
        [0, 10],
        [131_070, 131_080],
        [500_000, 1_500_001],
        [1_999_999, 2_000_000],
        [7, 7],
      ] as const) {
        const download = await files.get(`side ${index}`, { range: { start, end } }).orThrow();
        expect((await bytesOf(download)).equals(bytes.subarray(start, end)), `${index}: ${start}-${end}`).toBe(true);
      }
      expect(
        (await bytesOf(await files.get(`side ${index}`, { range: { start: 1_000_000 } }).orThrow())).equals(
          bytes.subarray(1_000_000),
        ),
      ).toBe(true);
    }
    expect(await failure(files.get("side 0", { range: { start: 5, end: 3_000_000 } }))).toMatchObject({
      code: "invalid_range",
    });
  });

  it("replaces and removes, and leaves nothing behind", async () => {
    const before = await messages("OBJ_files_files");
    await files.put("one", randomBytes(500_000)).orThrow();
    const bytes = randomBytes(300_000);
    await files.put("one", bytes).orThrow();
    expect((await bytesOf(await files.get("one").orThrow())).equals(bytes)).toBe(true);
    expect(await files.delete("one").orThrow()).toBe(true);
    expect(await files.delete("one").orThrow()).toBe(false);
    expect(await files.info("one").orThrow()).toBeUndefined();
    expect(await failure(files.get("one"))).toMatchObject({ code: "not_found" });
    expect((await files.list().orThrow()).map(({ name }) => name)).not.toContain("one");
    // All that stays for a while is the note that it was removed.
    await eventually("the chunks are gone", async () => (await messages("OBJ_files_files")) <= before + 1, 10_000);
  });

  it("waits for an object", async () => {
    const waiting = files.waitFor("later").orThrow();
    await pause(100);
    await files.put("later", randomBytes(10)).orThrow();
    expect((await waiting).size).toBe(10);
    expect(await failure(files.waitFor("never", { signal: AbortSignal.timeout(100) }))).toMatchObject({
      code: "cancelled",
    });
  });

  it("makes nothing visible of an upload that breaks off, and removes its parts", async () => {
    const before = await messages("OBJ_files_files");
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield randomBytes(900_000);
      throw new Error("the disk is gone");
    }
    expect(await failure(files.put("broken", breaking()))).toMatchObject({ code: "body_failed" });
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let count = 0; ; count += 1) {
        if (count === 20) stop.abort();
        yield randomBytes(131_072);
      }
    }
    expect(await failure(files.put("endless", endless(), { signal: stop.signal }))).toMatchObject({
      code: "cancelled",
    });
    expect(await files.info("broken").orThrow()).toBeUndefined();
    expect(await files.info("endless").orThrow()).toBeUndefined();
    await eventually("the parts are gone", async () => (await messages("OBJ_files_files")) <= before, 10_000);
  });

  it("holds the limits of one object and of the whole store", { timeout: 60_000 }, async () => {
    const { box } = (await platform.connectService(stock, { name: "boxes" })).store;
    expect(await failure(box.put("big", randomBytes(400_001)))).toMatchObject({ code: "object_too_large" });
    expect(await failure(box.put("big", inPieces(randomBytes(400_001))))).toMatchObject({ code: "object_too_large" });
    await box.put("a", randomBytes(400_000)).orThrow();
    await box.put("b", randomBytes(400_000)).orThrow();
    expect(await failure(box.put("c", randomBytes(400_000)))).toMatchObject({ code: "store_full" });
    expect(await box.info("c").orThrow()).toBeUndefined();
    expect((await bytesOf(await box.get("a").orThrow())).length).toBe(400_000);
    // Removing makes room again.
    expect(await box.delete("a").orThrow()).toBe(true);
    await eventually("there is room", async () => (await box.put("c", randomBytes(400_000))).ok, 10_000);
    // Small ones to the brim: it can still be emptied.
    let count = 0;
    while ((await box.put(`small ${count}`, randomBytes(100))).ok) count += 1;
    expect(count).toBeGreaterThan(10);
    for (const { name } of await box.list().orThrow()) await box.delete(name).orThrow();
    expect(await box.list().orThrow()).toEqual([]);
    await eventually("there is room", async () => (await box.put("d", randomBytes(400_000))).ok, 10_000);
  });

  it("notices a flipped byte and a missing chunk", async () => {
    const bytes = randomBytes(700_000);
    await files.put("flipped", bytes).orThrow();
    await files.put("missing", bytes).orThrow();
    const subjectOf = async (name: string): Promise<string> => {
      const { message } = await data.api("STREAM.MSG.GET.OBJ_files_files", {
        last_by_subj: `$O.files_files.M.${Buffer.from(name)
          .toString("base64url")
          .padEnd(Math.ceil((name.length * 4) / 3 / 4) * 4, "=")}`,
      });
      return `$O.files_files.C.${JSON.parse(atob(message.data)).nuid}`;
    };
    const flipped = await subjectOf("flipped");
    const info = await data.api("STREAM.MSG.GET.OBJ_files_files", { last_by_subj: flipped });
    // An operator with tools of their own: the last chunk is stored again with one bit changed.
    await data.change("OBJ_files_files", { deny_delete: true });
    const last = Buffer.from(info.message.data, "base64");
    last.writeUInt8(last.readUInt8(5) ^ 1, 5);
    await data.api(`STREAM.PURGE.OBJ_files_files`, { filter: flipped });
    for (let at = 0; at + 131_072 <= bytes.length; at += 131_072)
      await data.connection.request(flipped, bytes.subarray(at, at + 131_072));
    await data.connection.request(flipped, last);
    await expect(bytesOf(await files.get("flipped").orThrow())).rejects.toMatchObject({ code: "corrupt" });
    await data.api("STREAM.PURGE.OBJ_files_files", { filter: await subjectOf("missing"), keep: 3 });
    await expect(bytesOf(await files.get("missing").orThrow())).rejects.toMatchObject({ code: "corrupt" });
  });

  it("is read and written by the tools of NATS", async () => {
    const bytes = randomBytes(500_000);
    await files.put("ours", bytes, { contentType: "image/png", metadata: { a: "b" } }).orThrow();
    const store = await new Objm(jetstream(data.connection)).open("files_files");
    expect(Buffer.from((await store.getBlob("ours")) ?? []).equals(bytes)).toBe(true);
    expect(await store.info("ours")).toMatchObject({ size: bytes.length, chunks: 4, metadata: { a: "b" } });
    await store.putBlob({ name: "theirs" }, bytes);
    expect((await bytesOf(await files.get("theirs").orThrow())).equals(bytes)).toBe(true);
    expect(
      (await bytesOf(await files.get("theirs", { range: { start: 300_000, end: 300_100 } }).orThrow())).equals(
        bytes.subarray(300_000, 300_100),
      ),
    ).toBe(true);
    expect((await store.list()).map(({ name }) => name)).toEqual(expect.arrayContaining(["ours", "theirs"]));
    await files.delete("theirs").orThrow();
    expect((await store.list()).map(({ name }) => name)).not.toContain("theirs");
  });
});
