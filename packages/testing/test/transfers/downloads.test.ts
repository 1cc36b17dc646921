import { randomBytes } from "node:crypto";
import type { TrellisClient } from "@trellis/client/node";
import { SILENT_LOG, type TrellisService } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { lend, type Lent, madeBytes, sha256 } from "./kit/lending.ts";
import { library, NoSuchFile, reader } from "./kit/library-contract.ts";

let platform: TestPlatform;
let service: TrellisService<typeof library>;
let lent: Lent;
let client: TrellisClient<typeof reader>;
const film = randomBytes(3_000_001);

beforeAll(async () => {
  platform = await startPlatform();
  service = await platform.connectService(library, { log: SILENT_LOG, limits: { transferIdleMs: 2_000 } });
  lent = lend(service);
  await service.start();
  client = await platform.connectClient(reader);
  await service.store.files.put("film", film, { contentType: "video/mp4", metadata: { year: "1966" } }).orThrow();
});
afterAll(() => platform?.stop());

async function read(body: ReadableStream<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe("a download", () => {
  it("brings an object of a store: the answer, what is known of it, and its bytes", async () => {
    const download = await client.rpc.files.read({ name: "film" }).orThrow();
    expect(download.output).toEqual({ title: "film", pid: process.pid });
    expect(download).toMatchObject({
      info: { size: film.length, digest: sha256(film) },
      contentType: "video/mp4",
      metadata: { year: "1966" },
    });
    const told: number[] = [];
    const body = download.read({
      onProgress: ({ bytes, totalBytes }) => {
        told.push(bytes);
        expect(totalBytes).toBe(film.length);
      },
    });
    expect((await read(body)).equals(film)).toBe(true);
    expect(told.at(-1)).toBe(film.length);
    expect(told.length).toBe(Math.ceil(film.length / 131_072));
    // And again, as often as it is wanted.
    expect((await download.bytes().orThrow()).length).toBe(film.length);
  });

  it("brings a part of an object", async () => {
    const range = { start: 1_000_000, end: 2_500_003 };
    const download = await client.rpc.files.read({ name: "film", range }).orThrow();
    expect(download.info).toEqual({ size: range.end - range.start });
    const bytes = Buffer.from(await download.bytes().orThrow());
    expect(bytes.equals(film.subarray(range.start, range.end))).toBe(true);
  });

  it("brings what is being made, and nothing of nothing", async () => {
    for (const bytes of [0, 1, 131_072, 131_073, 1_000_000]) {
      const download = await client.request("Files.Make", { bytes }).orThrow();
      expect(download.info).toEqual({});
      expect(download.metadata).toEqual({ made: "once" });
      expect(Buffer.from(await download.bytes().orThrow()).equals(madeBytes(0, bytes))).toBe(true);
    }
  });

  it("is as large as the reader reads: what nobody reads is not made", async () => {
    const download = await client.rpc.files.make({ bytes: 100_000_000, label: "slow" }).orThrow();
    const body = download.read().getReader();
    await body.read();
    await eventually("the window is full", () => (lent.made.get("slow") ?? 0) > 4_000_000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(lent.made.get("slow")).toBeLessThan(10_000_000);
    await body.cancel();
    await eventually("the source is told", () => lent.left.includes("slow"));
  });

  it("answers a declared error, and refuses to be read by who may not", async () => {
    const none = await client.rpc.files.read({ name: "none" });
    expect(none.ok ? undefined : none.error).toBeInstanceOf(NoSuchFile);
  });

  it("ends with an error and no last piece when its source breaks off, changes or lies about its size", async () => {
    const broken = await client.rpc.files.make({ bytes: 1_000_000, fails: 600_000 }).orThrow();
    const failed = await broken.bytes();
    expect(failed).toMatchObject({ ok: false, error: { code: "source_failed" } });
    expect(JSON.stringify(failed)).not.toContain("secret");

    await service.store.files.put("draft", randomBytes(40_000_000)).orThrow();
    const draft = await client.rpc.files.read({ name: "draft" }).orThrow();
    const body = draft.read().getReader();
    await body.read();
    await service.store.files.put("draft", randomBytes(40_000_000)).orThrow();
    await expect(
      (async () => {
        while (!(await body.read()).done);
      })(),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^(changed|source_failed)$/) });
  });

  it("is cancelled by its signal, and the source hears of it", async () => {
    const abort = new AbortController();
    const download = await client.rpc.files.make({ bytes: 50_000_000, pauseMs: 5, label: "cancelled" }).orThrow();
    const body = download.read({ signal: abort.signal }).getReader();
    await body.read();
    abort.abort();
    await expect(
      (async () => {
        while (!(await body.read()).done);
      })(),
    ).rejects.toMatchObject({ code: "cancelled" });
    await eventually("the source is told", () => lent.left.includes("cancelled"));
  });

  it("that was granted and not read in time is asked for again", async () => {
    const download = await client.rpc.files.read({ name: "film" }).orThrow();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect((await download.bytes().orThrow()).length).toBe(film.length);
  });
});
