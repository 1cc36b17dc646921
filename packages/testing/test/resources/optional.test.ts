import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { openDataAccount } from "./data-account.ts";

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

const CLI = new URL("../../../cli/src/bin.ts", import.meta.url);

const Note = Type.Object({ text: Type.String() });
const notes = defineServiceContract({ schemas: { Note } }, (ref) => ({
  id: "notes@v1",
  displayName: "Notes",
  description: "Keeps notes.",
  resources: {
    kv: {
      notes: { purpose: "Notes", schema: ref.schema("Note") },
      cache: { purpose: "Quicker answers", schema: ref.schema("Note"), required: false },
    },
    store: { scans: { purpose: "Pictures of them", required: false } },
  },
}));

describe("a service that can live without a bucket", () => {
  it("begins without it, is told why in svc show, and has it as soon as it can be made", async () => {
    // What has the names already, and was not made by Trellis.
    const foreign = { KV_notes_cache: "$KV.notes_cache.>", OBJ_notes_scans: "$O.notes_scans.>" };
    for (const [name, subject] of Object.entries(foreign))
      await data.api(`STREAM.CREATE.${name}`, { name, subjects: [subject] });
    const service = await platform.connectService(notes, { name: "notes" });
    await service.start();
    expect(service.kv.cache).toBeUndefined();
    expect(service.store.scans).toBeUndefined();
    await service.kv.notes.put("a", { text: "works" }).orThrow();

    const shown = async () =>
      (await platform.admin.rpc.auth.deploymentsGet({ deployment: "notes" }).orThrow()).reconcile;
    expect(await shown()).toMatchObject({
      state: "ready",
      message: expect.stringMatching(/notes_cache exists and was not made by Trellis.*notes_scans.*tried again at/),
    });

    const readiness: unknown = await (await fetch(new URL("/readyz", platform.url))).json();
    expect(readiness).toMatchObject({
      checks: expect.arrayContaining([
        expect.objectContaining({
          name: "resources",
          warning: true,
          detail: "1 deployment lacks something: trellis status tells what",
        }),
      ]),
    });
    await using status = platform.run(CLI, { args: ["status"] });
    expect(await status.exited).toMatchObject({ code: 0 });
    expect(status.output).toMatch(/^notes {2}.*notes_cache exists and was not made by Trellis/m);

    await data.api("STREAM.DELETE.KV_notes_cache", {});
    await eventually("the bucket is there", () => service.kv.cache !== undefined, 60_000);
    expect(service.store.scans).toBeUndefined();
    await eventually(
      "it is used",
      async () => (await service.kv.cache?.put("b", { text: "too" }))?.ok === true,
      30_000,
    );

    await data.api("STREAM.DELETE.OBJ_notes_scans", {});
    await eventually("the store is there", () => service.store.scans !== undefined, 60_000);
    await eventually("it is used", async () => (await service.store.scans?.put("c", new Uint8Array(9)))?.ok === true);
    expect(await shown()).toEqual({ state: "ready", at: expect.any(String) });
    await service.stop();
  }, 120_000);

  it("keeps what it has, also when that can no longer be brought up to date", async () => {
    const service = await platform.connectService(notes, { name: "keeps" });
    await service.start();
    await service.kv.cache?.put("a", { text: "kept" }).orThrow();
    const { config } = await data.info("KV_keeps_cache");
    // Somebody takes it away from its owner.
    await data.api("STREAM.UPDATE.KV_keeps_cache", { ...config, metadata: {} });
    await platform.admin.rpc.auth.authorityReconcile({ deployment: "keeps" }).orThrow();
    await eventually(
      "the failure is shown",
      async () =>
        (await platform.admin.rpc.auth.deploymentsGet({ deployment: "keeps" }).orThrow()).reconcile.state === "failing",
    );
    expect((await service.kv.cache?.get("a").orThrow())?.value).toEqual({ text: "kept" });
    await service.stop();
  });
});
