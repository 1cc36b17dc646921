import { randomBytes } from "node:crypto";
import { createNodeSessionKey } from "@trellis/auth/node";
import { defineServiceContract } from "@trellis/contracts";
import { KvError, TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "../resilience/kit/eventually.ts";
import { collect } from "./collect.ts";
import { openDataAccount } from "./data-account.ts";

let platform: TestPlatform;
let data: Awaited<ReturnType<typeof openDataAccount>>;

beforeAll(async () => {
  platform = await startPlatform({ config: { reconcileSweepMs: 300 } });
  data = await openDataAccount(platform);
});
afterAll(async () => {
  await data?.[Symbol.asyncDispose]();
  await platform?.stop();
});

const Note = Type.Object({ text: Type.String() });
const Text = Type.Object({ body: Type.String(), words: Type.Integer() });
const about = { id: "notes@v1", displayName: "Notes", description: "Keeps notes." } as const;

const first = defineServiceContract({ schemas: { Note } }, (ref) => ({
  ...about,
  resources: {
    kv: { notes: { purpose: "Notes", schema: ref.schema("Note"), maxValueBytes: 40 } },
    store: { files: { purpose: "Attachments", maxTotalBytes: 500_000, maxObjectBytes: 100_000 } },
  },
}));
const wider = defineServiceContract({ schemas: { Note } }, (ref) => ({
  ...about,
  resources: {
    kv: { notes: { purpose: "Notes", schema: ref.schema("Note"), maxValueBytes: 4_000, history: 3 } },
    store: { files: { purpose: "Attachments", maxObjectBytes: 300_000 } },
  },
}));
const narrower = defineServiceContract({ schemas: { Note } }, (ref) => ({
  ...about,
  resources: {
    kv: { notes: { purpose: "Notes", schema: ref.schema("Note"), maxValueBytes: 40 } },
    store: { files: { purpose: "Attachments", maxTotalBytes: 200_000, maxObjectBytes: 100_000 } },
  },
}));
const without = defineServiceContract({ schemas: { Note } }, () => ({ ...about }));
const other = defineServiceContract({ schemas: { Text } }, (ref) => ({
  ...about,
  resources: {
    kv: { notes: { purpose: "Notes", schema: ref.schema("Text"), maxValueBytes: 4_000, history: 3 } },
    store: { files: { purpose: "Attachments", maxObjectBytes: 300_000 } },
  },
}));

describe("when a contract changes", () => {
  it(
    "its limits change in place, a removed alias keeps its data, and old values are migrated",
    { timeout: 60_000 },
    async () => {
      const bytes = randomBytes(90_000);
      {
        await using service = await platform.connectService(first, { name: "notes" });
        await service.kv.notes.put("a", { text: "three little words" }).orThrow();
        const refused = await service.kv.notes.put("b", { text: "x".repeat(100) });
        expect(!refused.ok && refused.error.code).toBe("value_too_large");
        await service.store.files.put("f", bytes).orThrow();
        expect(!(await service.store.files.put("g", randomBytes(200_000))).ok).toBe(true);
      }
      {
        await using service = await platform.connectService(wider, { name: "notes" });
        expect((await service.kv.notes.get("a").orThrow())?.value).toEqual({ text: "three little words" });
        await service.kv.notes.put("b", { text: "x".repeat(100) }).orThrow();
        expect((await data.info("KV_notes_notes")).config).toMatchObject({
          max_msg_size: 4_512,
          max_msgs_per_subject: 3,
        });
        await service.store.files.put("g", randomBytes(200_000)).orThrow();
        expect((await data.info("OBJ_notes_files")).config.max_bytes).toBe(-1);
      }
      {
        const service = await connect(without, createNodeSessionKey());
        expect(Object.keys(service.kv)).toEqual([]);
        await service.stop();
        expect((await data.info("KV_notes_notes")).state.messages).toBe(2);
        expect((await data.info("OBJ_notes_files")).state.messages).toBeGreaterThan(2);
      }
      {
        const key = createNodeSessionKey();
        const plain = await connect(other, key);
        const unread = await plain.kv.notes.get("a");
        expect(!unread.ok && unread.error).toBeInstanceOf(KvError);
        expect(!unread.ok && unread.error).toMatchObject({ code: "invalid_value", key: "a" });
        for await (const change of plain.kv.notes.watch("a")) {
          expect(change).toMatchObject({ type: "invalid", key: "a" });
          break;
        }
        await plain.stop();

        const service = await connect(other, key, {
          kv: {
            notes: (stored) => {
              const body = isNote(stored) ? stored.text : "";
              return { body, words: body.split(" ").length };
            },
          },
        });
        const entry = await service.kv.notes.get("a").orThrow();
        expect(entry?.value).toEqual({ body: "three little words", words: 3 });
        // Whoever watches or looks back has the new form as well.
        const old = { type: "put", value: { body: "three little words", words: 3 } };
        for await (const change of service.kv.notes.watch("a")) {
          expect(change).toMatchObject(old);
          break;
        }
        expect(await service.kv.notes.history("a").orThrow()).toMatchObject([old]);
        // The next write stores the new form; with it nothing needs the migration any more.
        await service.kv.notes.update("a", { body: "two words", words: 2 }, entry?.revision ?? 0).orThrow();
        expect((await service.kv.notes.entries().orThrow()).map(({ value }) => value.words)).toEqual([1, 2]);
        const { body } = await service.store.files.get("f").orThrow();
        expect(Buffer.from(await new Response(body).arrayBuffer()).equals(bytes)).toBe(true);
        await service.stop();
      }
    },
  );
});

it("a limit below what is stored refuses what comes and loses nothing, and its owner makes room", async () => {
  const bytes = randomBytes(300_000);
  {
    await using service = await platform.connectService(wider, { name: "narrowed" });
    for (const text of ["1", "2", "3"]) await service.kv.notes.put("a", { text }).orThrow();
    await service.kv.notes.put("long", { text: "x".repeat(1_000) }).orThrow();
    for (const name of ["one", "two"]) await service.store.files.put(name, bytes).orThrow();
  }
  await using service = await platform.connectService(narrower, { name: "narrowed" });
  const { notes } = service.kv;
  expect(await notes.history("a").orThrow()).toMatchObject([{ value: { text: "3" } }]);
  expect((await notes.get("long").orThrow())?.value.text).toHaveLength(1_000);
  for await (const change of notes.watch("long")) {
    expect(change).toMatchObject({ type: "put", value: { text: "x".repeat(1_000) } });
    break;
  }
  expect(await notes.put("long", { text: "x".repeat(1_000) })).toMatchObject({ error: { code: "value_too_large" } });
  await notes.put("long", { text: "short" }).orThrow();

  const { files } = service.store;
  const whole = async (name: string) => {
    const { body } = await files.get(name).orThrow();
    return Buffer.from(await new Response(body).arrayBuffer()).equals(bytes);
  };
  expect(await files.put("three", randomBytes(50_000))).toMatchObject({ error: { code: "store_full" } });
  // Being read and being emptied while it is more than full.
  const [same] = await Promise.all([whole("two"), files.delete("one").orThrow()]);
  expect(same).toBe(true);
  await eventually(
    "what was made room for is not filled again",
    async () => Number((await data.info("OBJ_narrowed_files")).config.max_bytes) < 320_000,
  );
  expect(await files.put("three", randomBytes(50_000))).toMatchObject({ error: { code: "store_full" } });
  expect(await whole("two")).toBe(true);
  await files.delete("two").orThrow();
  await eventually("there is room", async () => (await files.put("three", randomBytes(50_000))).ok);
  await eventually(
    "the limit is what the contract says",
    async () => (await data.info("OBJ_narrowed_files")).config.max_bytes === 200_000,
  );
  expect(await files.put("four", randomBytes(100_000))).toMatchObject({ ok: true });
  expect(await files.put("five", randomBytes(80_000))).toMatchObject({ error: { code: "store_full" } });
}, 60_000);

it("a bucket deleted behind our back comes again empty, and who watches it hears of the ends and of what is new", async () => {
  await using service = await platform.connectService(wider, { name: "lost" });
  const { notes } = service.kv;
  await using early = collect(notes);
  await early.ready();
  for (let n = 0; n < 20; n += 1) await notes.put(`k${n % 4}`, { text: `${n}` }).orThrow();
  await using late = collect(notes);
  await late.ready();
  await data.api("STREAM.DELETE.KV_lost_notes", {});
  await eventually("it is made again", async () => (await notes.put("k0", { text: "new" })).ok);
  for (const watch of [early, late]) {
    const last = (key: string) => watch.of(key).at(-1);
    await eventually("the new value is told", () => {
      const told = last("k0");
      return told?.type === "put" && told.value.text === "new";
    });
    await eventually("the ends are told", () => ["k1", "k2", "k3"].every((key) => last(key)?.type === "end"));
  }
  await notes.put("k1", { text: "again" }).orThrow();
  expect((await notes.get("k1").orThrow())?.value.text).toBe("again");
  await eventually("it goes on", () => [early, late].every((watch) => watch.of("k1").at(-1)?.type === "put"));
});

type Migrate = NonNullable<Parameters<typeof TrellisService.connect<typeof other>>[0]["migrate"]>;

async function connect<const C extends typeof other | typeof without>(
  contract: C,
  key: ReturnType<typeof createNodeSessionKey>,
  migrate?: Migrate,
) {
  await platform.admin.rpc.auth.instancesProvision({ deployment: "notes", sessionKey: key.publicKey });
  return TrellisService.connect<C>({
    contract,
    name: "notes",
    url: platform.url,
    key,
    env: {},
    onNotice: () => undefined,
    ...(migrate === undefined ? {} : { migrate }),
  });
}

function isNote(value: unknown): value is { readonly text: string } {
  return typeof value === "object" && value !== null && "text" in value && typeof value.text === "string";
}
