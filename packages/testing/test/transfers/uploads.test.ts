import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { TrellisClient } from "@trellis/client/node";
import { SILENT_LOG, type TrellisService } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { openDataAccount } from "../resources/data-account.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { lend, type Lent, sha256 } from "./kit/lending.ts";
import { library, reader } from "./kit/library-contract.ts";
import { connectUnsound, type Mischief } from "./kit/unsound-client.ts";

let platform: TestPlatform;
let service: TrellisService<typeof library>;
let lent: Lent;
let client: TrellisClient<typeof reader>;
let data: Awaited<ReturnType<typeof openDataAccount>>;

beforeAll(async () => {
  platform = await startPlatform();
  service = await platform.connectService(library, { log: SILENT_LOG });
  lent = lend(service);
  await service.start();
  client = await platform.connectClient(reader);
  data = await openDataAccount(platform);
});
afterAll(async () => {
  await data?.[Symbol.asyncDispose]();
  await platform?.stop();
});

async function* inPieces(bytes: Uint8Array, size = 70_001): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Nothing of it is visible, and none of its parts are left. */
async function nothingOf(name: string, store: "files" | "box" = "files"): Promise<void> {
  expect(await service.store[store].info(name).orThrow()).toBeUndefined();
  const described = new Set((await service.store[store].list().orThrow()).map((object) => object.name));
  expect(described.has(name)).toBe(false);
  expect(lent.shelved).not.toContain(name);
  await eventually(`the parts of ${name} are gone`, async () => {
    const { state } = await data.api(`STREAM.INFO.OBJ_library_${store}`, { subjects_filter: "$O.*.C.uploads.*" });
    const { subjects = {} } = Object(state);
    const records = await Promise.all(
      Object.keys(subjects).map(async (subject) => {
        const { message } = await data.api(`STREAM.MSG.GET.OBJ_library_${store}`, { last_by_subj: subject });
        return message === undefined ? "" : Buffer.from(message.data ?? "", "base64").toString();
      }),
    );
    return !records.some((record) => record.includes(`"${name}"`));
  });
}

async function read(name: string, store: "files" | "box" = "files"): Promise<Buffer> {
  const { body } = await service.store[store].get(name).orThrow();
  return Buffer.from(await new Response(body).arrayBuffer());
}

describe("an upload", () => {
  it("is stored whole before its operation begins, which sees it", async () => {
    const bytes = randomBytes(3_000_001);
    const told: number[] = [];
    const started = await client.operation.files.put
      .input({ name: "novel", kind: "text/plain", words: { by: "somebody" } })
      .transfer(inPieces(bytes), { onProgress: (progress) => told.push(progress.bytes) })
      .start()
      .orThrow();
    const events: string[] = [];
    const watching = (async () => {
      for await (const { type } of started.watch()) events.push(type);
    })();
    expect(await started.uploaded.orThrow()).toEqual({ size: bytes.length, digest: sha256(bytes) });
    expect(await started.wait().orThrow()).toMatchObject({
      name: "novel",
      size: bytes.length,
      kind: "text/plain",
      words: { by: "somebody" },
    });
    expect((await read("novel")).equals(bytes)).toBe(true);
    expect(told.at(-1)).toBe(bytes.length);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    await watching;
    expect(events.indexOf("transfer")).toBeLessThan(events.indexOf("completed"));
    expect(events).toContain("transfer");
  });

  it("takes bytes, blobs, streams and nothing at all", async () => {
    for (const size of [0, 1, 131_072, 300_000]) {
      const bytes = new Uint8Array(randomBytes(size));
      for (const body of [bytes, new Blob([bytes]), new Blob([bytes]).stream()]) {
        const started = await client
          .operation("Files.Put")
          .input({ name: `size ${size}` })
          .transfer(body)
          .start()
          .orThrow();
        expect(await started.wait().orThrow()).toMatchObject({ size });
        expect((await read(`size ${size}`)).equals(bytes)).toBe(true);
      }
    }
  });

  it("of more than is taken is refused before anything is sent, or as soon as it is too much", async () => {
    for (const body of [randomBytes(600_001), inPieces(randomBytes(800_000))]) {
      const started = await client.operation.files.squeeze.input({ name: "fat" }).transfer(body).start().orThrow();
      expect(await started.uploaded).toMatchObject({ ok: false, error: { code: "too_large" } });
      expect(await started.wait()).toMatchObject({ ok: false, error: { code: "too_large" } });
      await nothingOf("fat", "box");
    }
  });

  it("into a full store says so, and stores nothing", async () => {
    await service.store.box.put("ballast", randomBytes(700_000)).orThrow();
    const started = await client.operation.files.squeeze
      .input({ name: "more" })
      .transfer(randomBytes(500_000))
      .start()
      .orThrow();
    expect(await started.uploaded).toMatchObject({ ok: false, error: { code: "store_full" } });
    await service.store.box.delete("ballast").orThrow();
    await nothingOf("more", "box");
    expect(await client.operation.files.squeeze.resume(started.id).wait()).toMatchObject({
      ok: false,
      error: { type: "TransferError" },
    });
  });

  it("that breaks off or is cancelled leaves nothing, and its operation fails", async () => {
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield* inPieces(randomBytes(1_000_000));
      throw new Error("no more");
    }
    const broken = await client.operation.files.put.input({ name: "broken" }).transfer(breaking()).start().orThrow();
    expect(await broken.uploaded).toMatchObject({ ok: false, error: { code: "source_failed" } });
    const abort = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let count = 0; ; count += 1) {
        if (count === 40) abort.abort();
        yield randomBytes(131_072);
      }
    }
    const cancelled = await client.operation.files.put
      .input({ name: "cancelled" })
      .transfer(endless(), { signal: abort.signal })
      .start()
      .orThrow();
    expect(await cancelled.uploaded).toMatchObject({ ok: false, error: { code: "cancelled" } });
    await nothingOf("broken");
    await nothingOf("cancelled");
    for (const { id } of [broken, cancelled])
      expect(await client.operation.files.put.resume(id).wait()).toMatchObject({
        ok: false,
        error: { type: "TransferError", code: "cancelled" },
      });
  });

  it("that never comes lets its operation fail when its time is up", async () => {
    const started = await client.operation.files.squeeze.start({ name: "never" }).orThrow();
    expect(await started.wait()).toMatchObject({ ok: false, error: { type: "TransferError", code: "expired" } });
    await nothingOf("never", "box");
  });

  it("that stands still for too long has expired", async () => {
    async function* stopping(): AsyncGenerator<Uint8Array> {
      yield randomBytes(200_000);
      await pause(10_000);
      yield randomBytes(1);
    }
    const started = await client.operation.files.squeeze.input({ name: "slow" }).transfer(stopping()).start().orThrow();
    expect(await started.uploaded).toMatchObject({ ok: false, error: { code: "expired" } });
    await nothingOf("slow", "box");
  });

  it("is done once for one key, whoever sends it again", async () => {
    const bytes = randomBytes(500_000);
    const put = (body: Uint8Array) =>
      client.operation.files.put.input({ name: "once" }).transfer(body).start({ key: "the same" }).orThrow();
    const first = await put(bytes);
    expect((await first.wait().orThrow()).size).toBe(bytes.length);
    const second = await put(bytes);
    expect(second).toMatchObject({ id: first.id, created: false });
    expect(lent.shelved.filter((name) => name === "once")).toEqual(["once"]);
    expect(await second.uploaded).toMatchObject({ ok: false, error: { code: "unknown_transfer" } });
    // It is the same operation, and that has ended well.
    expect((await second.wait().orThrow()).size).toBe(bytes.length);
  });
});

describe("on an unsound way", () => {
  const upload = async (name: string, bytes: Uint8Array, mischief: Mischief) => {
    const { client: sender } = await connectUnsound(platform, reader, mischief);
    try {
      const started = await sender.operation.files.put.input({ name }).transfer(bytes).start().orThrow();
      return await started.uploaded;
    } finally {
      await sender.close();
    }
  };

  it("a lost chunk is sent again, whichever it is", async () => {
    const bytes = randomBytes(10_000_000);
    const last = Math.ceil(bytes.length / 131_072);
    const lost = new Set<number>();
    const uploaded = await upload("lossy", bytes, (seq) => {
      if (lost.has(seq) || ![1, 2, 20, 33, last].includes(seq)) return undefined;
      lost.add(seq);
      return [];
    });
    expect(uploaded).toMatchObject({ ok: true, value: { digest: sha256(bytes) } });
    expect(lost.size).toBe(5);
    expect((await read("lossy")).equals(bytes)).toBe(true);
  });

  it("a repeated chunk is stored once", async () => {
    const bytes = randomBytes(5_000_000);
    const uploaded = await upload("doubled", bytes, (seq, chunk) => (seq % 3 === 0 ? [chunk, chunk] : undefined));
    expect(uploaded).toMatchObject({ ok: true, value: { digest: sha256(bytes) } });
    expect((await read("doubled")).equals(bytes)).toBe(true);
  });

  it("a flipped bit makes it fail, and nothing is stored", async () => {
    const uploaded = await upload("flipped", randomBytes(3_000_000), (seq, chunk) => {
      if (seq !== 7) return undefined;
      const flipped = Uint8Array.from(chunk);
      flipped[5] = (flipped[5] ?? 0) ^ 1;
      return [flipped];
    });
    expect(uploaded).toMatchObject({ ok: false, error: { code: "mismatch" } });
    await nothingOf("flipped");
  });

  it("a chunk that is cut short makes it fail, and nothing is stored", async () => {
    const uploaded = await upload("short", randomBytes(3_000_000), (seq, chunk) =>
      seq === 7 ? [chunk.subarray(1)] : undefined,
    );
    expect(uploaded).toMatchObject({ ok: false, error: { code: "mismatch" } });
    await nothingOf("short");
  });
});
