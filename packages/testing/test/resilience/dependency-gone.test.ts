import { defineAgentContract, defineServiceContract } from "@trellis/contracts";
import { ok } from "@trellis/result";
import type { TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { eventually } from "./kit/eventually.ts";
import { startLoad } from "./kit/load.ts";
import { QUIET } from "./kit/quiet.ts";

const Num = Type.Object({ n: Type.Integer() });
const schemas = { Num };

const smithy = defineServiceContract({ schemas }, (ref) => ({
  id: "smithy@v1",
  displayName: "Smithy",
  description: "Forges.",
  rpc: { "Smithy.Forge": { version: "v1", input: ref.schema("Num"), output: ref.schema("Num") } },
  events: { "Smithy.Forged": { version: "v1", event: ref.schema("Num") } },
}));

const bakery = defineServiceContract({ schemas }, (ref) => ({
  id: "bakery@v1",
  displayName: "Bakery",
  description: "Bakes.",
  rpc: { "Bakery.Bake": { version: "v1", input: ref.schema("Num"), output: ref.schema("Num") } },
}));

/** Requires both, and serves whoever asks it. */
const inn = defineServiceContract({ schemas }, (ref) => ({
  id: "inn@v1",
  displayName: "Inn",
  description: "Has things forged and baked.",
  uses: {
    required: {
      smithy: smithy.use({ rpc: { call: ["Smithy.Forge"] }, events: { subscribe: ["Smithy.Forged"] } }),
      bakery: bakery.use({ rpc: { call: ["Bakery.Bake"] } }),
    },
  },
  rpc: {
    "Inn.Forge": { version: "v1", input: ref.schema("Num"), output: ref.schema("Num") },
    "Inn.Bake": { version: "v1", input: ref.schema("Num"), output: ref.schema("Num") },
  },
  eventConsumers: { forged: { uses: { smithy: ["Smithy.Forged"] } } },
}));

const guest = defineAgentContract({
  id: "guest@v1",
  displayName: "Guest",
  description: "Asks the inn.",
  uses: { required: { inn: inn.use({ rpc: { call: ["Inn.Forge", "Inn.Bake"] } }) } },
});

/** `n` of somebody who only ever answers. */
const echo = ({ input }: { readonly input: { readonly n: number } }) => ok({ n: input.n });

describe("a required contract that is not in force any more", () => {
  let platform: TestPlatform;
  let forge: TrellisService<typeof smithy>;
  let house: TrellisService<typeof inn>;
  const notices: string[] = [];
  const states: string[] = [];
  const forged: number[] = [];

  const openSmithy = async () => {
    forge = await platform.connectService(smithy);
    forge.handle.rpc.smithy.forge(echo);
    await forge.start();
  };
  beforeAll(async () => {
    platform = await startPlatform();
    await openSmithy();
    const oven = await platform.connectService(bakery);
    oven.handle.rpc.bakery.bake(echo);
    await oven.start();
    house = await platform.connectService(inn, {
      onNotice: (message) => message.includes("in force") && notices.push(message),
    });
    house.handle.rpc.inn.forge(async ({ input, client }) => ok(await client.rpc.smithy.forge(input).orThrow()));
    house.handle.rpc.inn.bake(async ({ input, client }) => ok(await client.rpc.bakery.bake(input).orThrow()));
    house.handle.events.forged(({ event }) => void forged.push(event.n));
    await house.start();
    house.client.connection.onChange((state) => states.push(state));
  });
  afterAll(() => platform.stop());

  /** NATS itself refuses, and whoever asks is told that it is nobody's fault and may pass. */
  const isTaken = async (): Promise<boolean> => {
    const result = await house.client.rpc.smithy.forge({ n: 0 }, { timeoutMs: 500 });
    if (result.ok) return false;
    const { error } = result;
    return "code" in error && error.code === "no_responders" && error.message.includes("smithy@v1 is not in force");
  };
  const isGranted = async (): Promise<boolean> => (await house.client.rpc.smithy.forge({ n: 1 })).ok;

  /** Takes the smithy away and brings it back, while everything else of the inn is used. */
  const away = async (take: () => Promise<unknown>, bring: () => Promise<unknown>): Promise<void> => {
    const client = await platform.connectClient(guest, QUIET);
    await client.rpc.inn.forge({ n: 1 }).orThrow();
    notices.length = 0;
    const calls = startLoad((n) => client.rpc.inn.bake({ n }), { atOnce: 8 });
    await eventually("calls are answered", () => calls.answered > 50);
    await take();
    await eventually("what it granted is taken", isTaken);
    expect(notices).toEqual([expect.stringContaining("smithy (smithy@v1) is not in force any more")]);
    expect((await client.rpc.inn.forge({ n: 2 })).ok).toBe(false);
    const answered = calls.answered;
    await eventually("the rest goes on", () => calls.answered > answered + 200);
    await bring();
    await eventually("it is granted again", isGranted);
    await client.rpc.inn.forge({ n: 3 }).orThrow();
    expect(notices).toEqual([expect.anything(), expect.stringContaining("is in force again")]);
    forged.length = 0;
    await forge.event.smithy.forged.publish({ n: 7 }).orThrow();
    await eventually("its events come again", () => forged.includes(7));
    await calls.stop();
    expect(calls.failures.map(({ error }) => error)).toEqual([]);
    expect(states).toEqual([]);
    await client.close();
  };

  const setSmithy = (enabled: boolean) =>
    platform.admin.rpc.auth.deploymentsUpdate({ deployment: "smithy", enabled }).orThrow();

  it("its deployment disabled: what it granted is gone, the rest goes on without a failed call, and all is back later", async () => {
    await away(
      () => setSmithy(false),
      () => setSmithy(true),
    );
  });

  it("its deployment removed: the same", async () => {
    await away(async () => {
      await forge.stop();
      await eventually(
        "it is removed",
        async () => (await platform.admin.rpc.auth.deploymentsRemove({ deployment: "smithy" })).ok,
      );
    }, openSmithy);
  });

  it("whoever loses the connection meanwhile comes back with the rest; who begins waits", async () => {
    await setSmithy(false);
    await eventually("what it granted is taken", isTaken);
    const [node] = platform.local.nats.nodes;
    await node?.kill("SIGKILL");
    await eventually("the loss is noticed", () => states.includes("reconnecting"));
    await node?.restart();
    await eventually("the inn is back", () => states.at(-1) === "connected");
    await eventually("it has bread", async () => (await house.client.rpc.bakery.bake({ n: 1 })).ok);
    expect(await isTaken()).toBe(true);

    const waits: string[] = [];
    const second = platform.connectService(inn, { onNotice: (message) => waits.push(message) });
    await eventually("a second replica waits", () =>
      waits.some((message) => message.includes("inn@v1 requires smithy@v1")),
    );
    await setSmithy(true);
    await eventually("it is granted again", isGranted);
    await (await second).stop();
  });
});

describe("two that require each other", () => {
  const pingAlone = defineServiceContract({ schemas }, (ref) => ({
    id: "ping@v1",
    displayName: "Ping",
    description: "Answers pong.",
    rpc: { "Ping.Do": { version: "v1", input: ref.schema("Num"), output: ref.schema("Num") } },
  }));
  const pong = defineServiceContract({ schemas }, (ref) => ({
    id: "pong@v1",
    displayName: "Pong",
    description: "Answers ping.",
    uses: { required: { ping: pingAlone.use({ rpc: { call: ["Ping.Do"] } }) } },
    rpc: {
      "Pong.Do": { version: "v1", input: ref.schema("Num"), output: ref.schema("Num") },
      "Pong.Own": { version: "v1", input: ref.schema("Num"), output: ref.schema("Num") },
    },
  }));
  const ping = defineServiceContract({ schemas }, (ref) => ({
    id: "ping@v1",
    displayName: "Ping",
    description: "Answers pong.",
    uses: { required: { pong: pong.use({ rpc: { call: ["Pong.Do"] } }) } },
    rpc: { "Ping.Do": { version: "v1", input: ref.schema("Num"), output: ref.schema("Num") } },
  }));
  const player = defineAgentContract({
    id: "player@v1",
    displayName: "Player",
    description: "Asks pong.",
    uses: { required: { pong: pong.use({ rpc: { call: ["Pong.Own"] } }) } },
  });

  it("lose each other and find each other again, and nothing else fails", async () => {
    await using platform = await startPlatform();
    const [one, two] = await Promise.all([platform.connectService(ping), platform.connectService(pong)]);
    one.handle.rpc.ping.do(echo);
    two.handle.rpc.pong.do(echo);
    two.handle.rpc.pong.own(echo);
    await Promise.all([one.start(), two.start()]);
    const bothPlay = async (): Promise<boolean> =>
      (await one.client.rpc.pong.do({ n: 1 })).ok && (await two.client.rpc.ping.do({ n: 1 })).ok;
    await eventually("both play", bothPlay);
    const states: string[] = [];
    two.client.connection.onChange((state) => states.push(state));
    const client = await platform.connectClient(player, QUIET);
    const calls = startLoad((n) => client.rpc.pong.own({ n }), { atOnce: 4 });
    for (let round = 0; round < 3; round += 1) {
      const answered = calls.answered;
      await platform.admin.rpc.auth.deploymentsUpdate({ deployment: "ping", enabled: false }).orThrow();
      await eventually("pong plays alone", async () => {
        const result = await two.client.rpc.ping.do({ n: 1 }, { timeoutMs: 500 });
        return !result.ok && result.error.message.includes("ping@v1 is not in force");
      });
      await eventually("and is asked", () => calls.answered > answered + 50);
      await platform.admin.rpc.auth.deploymentsUpdate({ deployment: "ping", enabled: true }).orThrow();
      await eventually("both play again", bothPlay);
    }
    await calls.stop();
    expect(calls.failures.map(({ error }) => error)).toEqual([]);
    expect(states).toEqual([]);
  });
});
