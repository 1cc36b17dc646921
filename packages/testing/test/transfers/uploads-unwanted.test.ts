import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { TrellisClient } from "@trellis/client/node";
import { SILENT_LOG, type TrellisService } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { openDataAccount } from "../resources/data-account.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { lend, type Lent } from "./kit/lending.ts";
import { library, reader } from "./kit/library-contract.ts";

const CHUNK = 131_072;

describe("the file of an operation that is over before it came", () => {
  let platform: TestPlatform;
  let service: TrellisService<typeof library>;
  let client: TrellisClient<typeof reader>;
  let data: Awaited<ReturnType<typeof openDataAccount>>;
  let atFirst: readonly string[];
  const lent: Lent[] = [];

  const services: TrellisService<typeof library>[] = [];
  const serve = async () => {
    service = await platform.connectService(library, { log: SILENT_LOG });
    services.push(service);
    lent.push(lend(service));
    await service.start();
  };

  beforeAll(async () => {
    platform = await startPlatform();
    // Two, so that who cancels, who has granted and who receives need not be the same.
    await serve();
    await serve();
    client = await platform.connectClient(reader);
    data = await openDataAccount(platform);
    await service.store.files.put("report", Buffer.from("the one before")).orThrow();
    atFirst = await parts();
  });
  afterAll(async () => {
    await data?.[Symbol.asyncDispose]();
    await platform?.stop();
  });

  /** A file without end, and how it fares. */
  function endless() {
    const source = { bytes: 0, left: false };
    async function* chunks(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          source.bytes += CHUNK;
          yield randomBytes(CHUNK);
          await pause(1);
        }
      } finally {
        source.left = true;
      }
    }
    return { source, chunks: chunks() };
  }

  /** Where the store keeps chunks, and records of uploads. */
  async function parts(): Promise<readonly string[]> {
    const { state } = await data.api("STREAM.INFO.OBJ_library_files", { subjects_filter: "$O.*.C.>" });
    const { subjects = {} } = Object(state);
    // What the sweeps of the store leave is none of ours.
    return Object.keys(subjects)
      .filter((subject) => !subject.endsWith(".C.sweeps"))
      .sort();
  }

  const nothingIsLeft = () =>
    eventually("nothing of them is left", async () => JSON.stringify(await parts()) === JSON.stringify(atFirst));

  it("is not taken any further, whoever receives it: the sender hears why, and nothing of it is stored", async () => {
    const { put } = client.operation.files;
    const all = Array.from({ length: 6 }, async () => {
      const { source, chunks } = endless();
      const sent: number[] = [];
      const started = await put
        .input({ name: "report" })
        .transfer(chunks, { onProgress: ({ bytes }) => sent.push(bytes) })
        .start()
        .orThrow();
      await eventually("some of it is stored", () => (sent.at(-1) ?? 0) > 10 * CHUNK);
      expect(await started.cancel("not needed").orThrow()).toMatchObject({ state: "cancelled" });
      const uploaded = await started.uploaded;
      expect(uploaded).toMatchObject({
        ok: false,
        error: { type: "TransferError", code: "cancelled", message: expect.stringContaining("cancelled") },
      });
      // Who waits for the operation hears of the operation.
      expect(await started.wait()).toMatchObject({ ok: false, error: { type: "OperationError", reason: "cancelled" } });
      await eventually("its source is left alone", () => source.left);
    });
    await Promise.all(all);
    expect(lent.flatMap(({ shelved }) => shelved)).not.toContain("report");
    const { body } = await service.store.files.get("report").orThrow();
    expect(await new Response(body).text()).toBe("the one before");
    await nothingIsLeft();
  });

  it("is not taken any further when its time has passed", async () => {
    const { chunks } = endless();
    const started = await client.operation.files.put
      .input({ name: "late" })
      .transfer(chunks)
      .start({ deadlineMs: 2_000 })
      .orThrow();
    expect(await started.uploaded).toMatchObject({
      ok: false,
      error: { type: "TransferError", code: "cancelled", message: expect.stringContaining("failed") },
    });
    expect(await started.wait()).toMatchObject({ ok: false, error: { reason: "deadline_exceeded" } });
    expect(await service.store.files.info("late").orThrow()).toBeUndefined();
    await nothingIsLeft();
  });

  it("is refused when it comes afterwards, with the same key or for an operator's second try", async () => {
    const { put } = client.operation.files;
    const first = await put.start({ name: "again" }, { key: "one report" }).orThrow();
    await first.cancel().orThrow();
    // It may have been about to wait for its file, and hear of the wish a moment later.
    expect(await first.wait()).toMatchObject({ ok: false, error: { reason: "cancelled" } });
    const second = await put
      .input({ name: "again" })
      .transfer(randomBytes(300_000))
      .start({ key: "one report" })
      .orThrow();
    expect(second).toMatchObject({ id: first.id, created: false, snapshot: { state: "cancelled" } });
    expect(await second.uploaded).toMatchObject({
      ok: false,
      error: { code: "unknown_transfer", message: expect.stringContaining("is over") },
    });
    expect(await second.wait()).toMatchObject({ ok: false, error: { reason: "cancelled" } });
    await platform.admin.rpc.trellis.operationsRetry({ operation: "Files.Put", id: first.id }).orThrow();
    expect(await put.resume(first.id).wait()).toMatchObject({
      ok: false,
      error: { type: "TransferError", code: "cancelled", message: expect.stringContaining("Nothing was stored") },
    });
    expect(await service.store.files.info("again").orThrow()).toBeUndefined();
  });

  it("takes no place among those that may still come", async () => {
    const { put } = client.operation.files;
    // More than one principal may have under way at two replicas.
    for (let n = 0; n < 140; n += 1) {
      const started = await put.start({ name: `never ${n}` }).orThrow();
      await started.cancel().orThrow();
    }
    await nothingIsLeft();
  }, 60_000);

  it("is refused by a replica that was not there when its operation was cancelled", async () => {
    const stopped = Promise.withResolvers<void>();
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < 20; n += 1) yield randomBytes(CHUNK);
      // The rest is little: whoever does not look stores it at once.
      await stopped.promise;
      yield randomBytes(1);
    }
    let bytes = 0;
    const started = await client.operation.files.put
      .input({ name: "orphan" })
      .transfer(chunks(), { patienceMs: 60_000, onProgress: (progress) => ({ bytes } = progress) })
      .start()
      .orThrow();
    await eventually("some of it is stored", () => bytes > 10 * CHUNK);
    await Promise.all(services.map((each) => each.stop()));
    stopped.resolve();
    await platform.admin.rpc.trellis.operationsCancel({ operation: "Files.Put", id: started.id }).orThrow();
    await serve();
    expect(await started.uploaded).toMatchObject({
      ok: false,
      error: { type: "TransferError", code: "cancelled", message: expect.stringContaining("was cancelled") },
    });
    expect(await started.wait()).toMatchObject({ ok: false, error: { reason: "cancelled" } });
    await nothingIsLeft();
  }, 90_000);
});
