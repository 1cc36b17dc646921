import { jetstreamManager } from "@nats-io/jetstream";
import { RequestError, type NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDirectUser, directAuthenticator, type AccountName } from "../src/index.ts";
import { eventually, startLive, type Live } from "./live.ts";

let live: Live;

beforeAll(async () => {
  live = await startLive({ nodes: 3 });
}, 30_000);

afterAll(() => live?.close());

function connectTo(node: number, account: AccountName) {
  const user = createDirectUser(live.bundle.controlPlane, account, { name: "test" });
  return connect({ servers: live.nats.servers[node] ?? "", authenticator: directAuthenticator(user) });
}

/** A node that has not yet heard from its neighbours that somebody listens says that nobody does. */
function putOnceHeardOf(nc: NatsConnection, subject: string): Promise<{ seq: number }> {
  return eventually(() =>
    nc.request(subject, "v").then(
      (answer) => answer.json<{ seq: number }>(),
      (error: unknown) => {
        if (error instanceof RequestError && error.isNoResponders()) return undefined;
        throw error;
      },
    ),
  );
}

async function countMessages(nc: NatsConnection): Promise<number | undefined> {
  const answer = await nc.request("$JS.API.STREAM.INFO.KV_b", "", { timeout: 500 }).catch(() => undefined);
  return answer?.json<{ state?: { messages: number } }>().state?.messages;
}

it("is ready for replicated streams at once, and imports work from every node", async () => {
  const data = await live.connect("DATA");
  const manager = await jetstreamManager(data);
  await manager.streams.add({ name: "KV_b", subjects: ["$KV.b.>"], num_replicas: 3, allow_direct: true });
  for (const node of [0, 1, 2]) {
    const nc = await connectTo(node, "TRELLIS");
    try {
      const { seq } = await putOnceHeardOf(nc, `$KV.b.k${node}`);
      expect(seq).toBe(node + 1);
      const read = await nc.request("trellis.leader.KV_b", JSON.stringify({ last_by_subj: `$KV.b.k${node}` }));
      expect(read.json()).toMatchObject({ message: { seq } });
      // A hostile reply, from each node: nothing is stored.
      nc.publish("trellis.leader.KV_b", JSON.stringify({ last_by_subj: `$KV.b.k${node}` }), { reply: "$KV.b.hostile" });
      nc.publish(`$JS.API.DIRECT.GET.KV_b.$KV.b.k${node}`, "", { reply: "$KV.b.hostile" });
      await nc.request("trellis.leader.KV_b", JSON.stringify({ last_by_subj: `$KV.b.k${node}` }));
      expect((await manager.streams.info("KV_b")).state.last_seq).toBe(seq);
    } finally {
      await nc.close();
    }
  }
});

it("stays up without one node, which comes back on its ports with its data", async () => {
  const [, , third] = live.nats.nodes;
  if (third === undefined) throw new Error("no third node");
  const url = live.nats.servers[2];
  await third.kill();
  expect(third.running).toBe(false);
  const data = await connectTo(0, "DATA");
  try {
    // The dead node may have led: an election takes seconds, in which requests are lost.
    const messages = await eventually(() => countMessages(data), 15_000);
    expect(messages).toBe(3);
    await third.restart();
    await live.nats.ready();
    expect(live.nats.servers[2]).toBe(url);
    const back = await connectTo(2, "DATA");
    expect(await eventually(() => countMessages(back), 10_000)).toBe(3);
    await back.close();
  } finally {
    await data.close();
  }
}, 40_000);

it("accepts no route without the cluster's secret", async () => {
  const [first] = live.nats.nodes;
  const { connect: dial } = await import("node:net");
  const said = await new Promise<string>((resolve, reject) => {
    let text = "";
    const socket = dial(first?.ports.cluster ?? 0, "127.0.0.1", () => {
      socket.write(
        'CONNECT {"echo":true,"verbose":false,"pedantic":false,"tls_required":false,"name":"INTRUDER","cluster":"trellis"}\r\nPING\r\n',
      );
    });
    socket.on("data", (bytes) => (text += bytes.toString()));
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
  expect(said).toContain("Authorization Violation");
});
