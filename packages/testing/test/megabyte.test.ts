// What a service may say in one message: events, dead letters and buckets have tests of their own.
import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { frame, SILENT_LOG, type TrellisService } from "@trellis/server/node";
import type { TrellisClient } from "@trellis/client/node";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { eventually } from "./events/eventually.ts";
import { collect } from "./resources/collect.ts";

const Text = Type.Object({ text: Type.String() });
const echo = defineServiceContract({ schemas: { Text } }, (ref) => ({
  id: "echo@v1",
  displayName: "Echo",
  description: "Says it again.",
  rpc: { "Echo.Say": { version: "v1", input: ref.schema("Text"), output: ref.schema("Text") } },
  feeds: { "Echo.Repeat": { version: "v1", input: ref.schema("Text"), event: ref.schema("Text") } },
  resources: { kv: { texts: { purpose: "What was said", schema: ref.schema("Text"), history: 3 } } },
}));
const speaker = defineAgentContract({ schemas: { Text } }, (ref) => ({
  id: "speaker@v1",
  displayName: "Speaker",
  description: "Speaks.",
  uses: { required: { echo: echo.use({ rpc: { call: ["Echo.Say"] }, feeds: { subscribe: ["Echo.Repeat"] } }) } },
  state: { texts: { kind: "map", schema: ref.schema("Text") } },
}));
const megabyte = { text: "x".repeat(1_000_000) };

let platform: TestPlatform;
let service: TrellisService<typeof echo>;
let client: TrellisClient<typeof speaker>;
beforeAll(async () => {
  platform = await startPlatform();
  service = await platform.connectService(echo, { name: "echo", log: SILENT_LOG });
  service.handle.rpc.echo.say(({ input }) => ok(input));
  service.handle.feed.echo.repeat(async function* ({ input }) {
    for (let n = 1; n <= 30; n += 1) yield frame(input, String(n));
  });
  await service.start();
  client = await platform.connectClient(speaker);
});
afterAll(() => platform?.stop());

it("goes to an RPC and comes back", async () => {
  expect(await client.rpc.echo.say(megabyte).orThrow()).toEqual(megabyte);
});

it("is the input of a feed and each of its frames, more of them than are on their way at once", async () => {
  const lengths: number[] = [];
  for await (const { text } of client.feed.echo.repeat(megabyte)) lengths.push(text.length);
  expect(lengths).toEqual(Array.from({ length: 30 }, () => 1_000_000));
});

it("is told by the watch of a bucket and kept in its history", async () => {
  const { texts } = service.kv;
  await using watch = collect(texts);
  await watch.ready();
  for (let n = 0; n < 5; n += 1) await texts.put("a", { text: `${n}${megabyte.text}` }).orThrow();
  await eventually(() => expect(watch.of("a").at(-1)).toMatchObject({ value: { text: `4${megabyte.text}` } }));
  const history = await texts.history("a").orThrow();
  expect(history.map((change) => change.type === "put" && change.value.text.slice(0, 2))).toEqual(["2x", "3x", "4x"]);
});

it("is more than one entry of state, which says what to do", async () => {
  const put = await client.state.texts.put("a", megabyte);
  expect(put).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining("a value of state may be 65536") },
  });
  expect(await client.state.texts.get("a").orThrow()).toBeUndefined();
});
