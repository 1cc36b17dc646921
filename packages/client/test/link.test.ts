import { nodeConnect as connect } from "../src/node.ts";
import { MsgHdrsImpl, headers } from "@nats-io/nats-core";
import { TransportError } from "@trellis/protocol";
import { afterEach, describe, expect, test } from "vitest";
import { connectLink } from "../src/nats-link.ts";
import type { LinkOptions } from "../src/nats-link.ts";
import type { LinkMessage, LinkState } from "../src/link.ts";
import { eventually, freePort, TestNatsServer } from "./nats-server.ts";

const PREFIX = "_INBOX.AAAAAAAAAAAAAAAA";
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function server(config = ""): Promise<TestNatsServer> {
  const started = await TestNatsServer.start(config);
  cleanups.push(() => started.stop());
  return started;
}

async function link(
  nats: TestNatsServer,
  options: Partial<LinkOptions> & { readonly ttlMs?: number; readonly user?: string } = {},
) {
  const { ttlMs, user, ...rest } = options;
  const opened = await connectLink({
    connect,
    inboxPrefix: PREFIX,
    plan: () => ({
      servers: [nats.url],
      ...(ttlMs === undefined ? {} : { permissionsTtlMs: ttlMs }),
      ...(user === undefined ? {} : { authenticator: () => ({ user, pass: user }) }),
    }),
    ...rest,
  });
  cleanups.push(() => opened.close());
  return opened;
}

async function failure(promise: Promise<unknown>): Promise<TransportError> {
  const error: unknown = await promise.then(
    () => new Error("it succeeded"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof TransportError)) throw error;
  return error;
}

async function echo(
  nats: TestNatsServer,
  subject: string,
  options: Partial<LinkOptions> & { readonly ttlMs?: number } = {},
) {
  const service = await link(nats, options);
  service.subscribe(subject, {
    queue: "echo",
    onMessage: (message) => {
      if (message.reply) service.publish(message.reply, message.data);
    },
  });
  await service.flush();
  return service;
}

const ask = async (
  caller: Awaited<ReturnType<typeof link>>,
  subject: string,
  text: string,
  timeoutMs = 2_000,
): Promise<string> => decoder.decode((await caller.request(subject, encoder.encode(text), { timeoutMs })).data);

describe("request and reply", () => {
  test("many calls at once each get their own answer", async () => {
    const nats = await server();
    await echo(nats, "echo");
    const caller = await link(nats);
    const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => ask(caller, "echo", `m${i}`)));
    expect(answers).toEqual(Array.from({ length: 500 }, (_, i) => `m${i}`));
    expect(caller.waiting).toBe(0);
  });

  test("a stranger's malformed header ends nothing, and what is well formed arrives", async () => {
    const nats = await server();
    const heard: LinkMessage[] = [];
    const listener = await link(nats);
    listener.subscribe("mixed", { onMessage: (message) => heard.push(message) });
    await listener.flush();
    const stranger = await link(nats);
    const strange = new MsgHdrsImpl();
    // Past the checks of nats.js, as any other program could.
    strange.headers.set("no name", ["1"]);
    strange.headers.set("na\u00efve", ["2"]);
    strange.headers.set("good", ["3", "4"]);
    stranger.publish("mixed", encoder.encode("payload"), { headers: strange, reply: "somewhere" });
    stranger.publish("mixed", encoder.encode("after"));
    await eventually(() => heard.length === 2, "both are heard");
    const [first, second] = heard;
    expect([...(first?.headers ?? [])]).toEqual([["good", ["3", "4"]]]);
    expect([first?.subject, first?.reply, decoder.decode(first?.data)]).toEqual(["mixed", "somewhere", "payload"]);
    expect([second?.headers, decoder.decode(second?.data)]).toEqual([undefined, "after"]);
  });

  test("nobody serves: told at once, not at the deadline", async () => {
    const nats = await server();
    const caller = await link(nats);
    const error = await failure(ask(caller, "nobody", "x", 30_000));
    expect(error.code).toBe("no_responders");
  });

  test("a deadline ends the wait, and the late answer hurts nobody", async () => {
    const nats = await server();
    const service = await link(nats);
    const held: LinkMessage[] = [];
    service.subscribe("slow", { onMessage: (message) => held.push(message) });
    await service.flush();
    const caller = await link(nats);
    const before = performance.now();
    const error = await failure(ask(caller, "slow", "x", 200));
    expect(error.code).toBe("timeout");
    expect(performance.now() - before).toBeGreaterThanOrEqual(199);
    service.publish(held[0]?.reply ?? "", encoder.encode("late"));
    await service.flush();
    await caller.flush();
    expect(caller.waiting).toBe(0);
  });

  test("an aborted signal ends the wait with cancelled", async () => {
    const nats = await server();
    const service = await link(nats);
    service.subscribe("slow", { onMessage: () => undefined });
    await service.flush();
    const caller = await link(nats);
    const abort = new AbortController();
    const call = failure(caller.request("slow", encoder.encode("x"), { timeoutMs: 5_000, signal: abort.signal }));
    abort.abort();
    expect((await call).code).toBe("cancelled");
    expect(
      (await failure(caller.request("slow", encoder.encode("x"), { timeoutMs: 5_000, signal: abort.signal }))).code,
    ).toBe("cancelled");
    expect(caller.waiting).toBe(0);
  });

  test("an answer that carries JetStream's headers is no answer of a participant", async () => {
    const nats = await server();
    const service = await link(nats);
    service.subscribe("forged", {
      onMessage: (message) => {
        const forged = headers();
        forged.append("nats-stream", "VICTIM");
        service.publish(message.reply ?? "", encoder.encode("forged"), { headers: forged });
        service.publish(message.reply ?? "", encoder.encode("honest"));
      },
    });
    await service.flush();
    const caller = await link(nats);
    expect(await ask(caller, "forged", "x")).toBe("honest");
  });

  test("a message with JetStream's headers reaches only a subscription that asked for it", async () => {
    const nats = await server();
    const receiver = await link(nats);
    const plain: string[] = [];
    const asked: string[] = [];
    receiver.subscribe("things.>", { onMessage: (message) => plain.push(decoder.decode(message.data)) });
    receiver.subscribe("things.>", {
      fromJetStream: true,
      onMessage: (message) => asked.push(decoder.decode(message.data)),
    });
    await receiver.flush();
    const sender = await link(nats);
    const stored = headers();
    stored.set("Nats-Stream", "S");
    sender.publish("things.a", encoder.encode("stored"), { headers: stored });
    sender.publish("things.a", encoder.encode("live"));
    await eventually(() => asked.length === 2 && plain.length >= 1, "both arrive");
    expect(plain).toEqual(["live"]);
  });
});

describe("permissions", () => {
  const config = `
    authorization { users: [
      { user: all, password: all }
      { user: few, password: few, permissions { publish: ["allowed", "_INBOX.>"], subscribe: ["${PREFIX}.>", "mine"] } }
    ] }`;

  test("a refused publish ends the calls on that subject at once and no others", async () => {
    const nats = await server(config);
    const service = await link(nats, { user: "all" });
    service.subscribe("allowed", { onMessage: (message) => service.publish(message.reply ?? "", message.data) });
    await service.flush();
    const caller = await link(nats, { user: "few" });
    const [refused, allowed] = await Promise.all([
      failure(ask(caller, "forbidden", "x", 30_000)),
      ask(caller, "allowed", "y"),
    ]);
    expect(refused.code).toBe("permission_denied");
    expect(refused.message).toContain("forbidden");
    expect(allowed).toBe("y");
  });

  test("a refused subscription is told", async () => {
    const nats = await server(config);
    const caller = await link(nats, { user: "few" });
    let refused = 0;
    caller.subscribe("theirs", { onMessage: () => undefined, onRefused: () => (refused += 1) });
    await eventually(() => refused === 1, "the refusal is told");
    expect(await caller.renew()).toBeUndefined();
    await eventually(() => refused === 2, "it was tried again with the new connection");
  });
});

describe("outages", () => {
  test("SIGKILL of the server and its restart: calls and subscriptions go on, held publishes arrive", async () => {
    const nats = await server();
    const service = await echo(nats, "echo");
    const caller = await link(nats);
    const states: LinkState[] = [];
    caller.onState((state) => states.push(state));
    const heard: string[] = [];
    caller.subscribe("news", { onMessage: (message) => heard.push(decoder.decode(message.data)) });
    expect(await ask(caller, "echo", "before")).toBe("before");
    await nats.kill();
    await eventually(() => caller.state === "reconnecting" && service.state === "reconnecting", "both notice");
    expect((await failure(ask(caller, "echo", "during"))).code).toBe("disconnected");
    caller.publish("news", encoder.encode("held"));
    await nats.up();
    await eventually(() => caller.state === "connected" && service.state === "connected", "both are back");
    // The server may hear the request before the subscription: they come through two connections.
    await service.flush();
    expect(await ask(caller, "echo", "after")).toBe("after");
    await eventually(() => heard.length === 1, "the held publish arrives");
    expect(heard).toEqual(["held"]);
    expect(states).toEqual(["reconnecting", "connected"]);
  });

  test("a call waiting when the server dies is answered by a service that kept it, after the restart", async () => {
    const nats = await server();
    const service = await link(nats);
    const held: LinkMessage[] = [];
    service.subscribe("slow", { onMessage: (message) => held.push(message) });
    await service.flush();
    const caller = await link(nats);
    const answer = ask(caller, "slow", "x", 10_000);
    await eventually(() => held.length === 1, "the request arrives");
    await nats.kill();
    await nats.up();
    await eventually(() => caller.state === "connected" && service.state === "connected", "both are back");
    await caller.flush();
    service.publish(held[0]?.reply ?? "", encoder.encode("kept"));
    expect(await answer).toBe("kept");
  });

  test("what is held during an outage is bounded and the bound is told", async () => {
    const nats = await server();
    const sender = await link(nats);
    await nats.kill();
    await eventually(() => sender.state === "reconnecting", "it notices");
    const megabyte = new Uint8Array(1024 * 1024);
    expect(() => {
      for (let i = 0; i < 10; i += 1) sender.publish("x", megabyte);
    }).toThrow(TransportError);
  });

  test("close while reconnecting ends every call and lets the process go", async () => {
    const nats = await server();
    const service = await link(nats);
    service.subscribe("slow", { onMessage: () => undefined });
    await service.flush();
    const caller = await link(nats);
    const call = failure(ask(caller, "slow", "x", 30_000));
    await caller.flush();
    await nats.kill();
    await caller.close();
    expect((await call).code).toBe("closed");
    expect(caller.state).toBe("closed");
    expect((await failure(ask(caller, "slow", "x"))).code).toBe("closed");
  });

  test("a server that refuses every login for a while is no end: that is what an outage of the control plane looks like", async () => {
    const nats = await server();
    let refusals = 0;
    const told: string[] = [];
    const caller = await link(nats, {
      user: "u",
      onAuthRefused: () => (refusals += 1),
      onTrouble: (message) => told.push(message),
    });
    const service = await echo(nats, "echo");
    await nats.kill();
    await nats.configure("authorization { token: nobody-knows }");
    await nats.up();
    await eventually(() => refusals >= 4, "it is refused again and again");
    expect(caller.state).toBe("reconnecting");
    await nats.kill();
    await nats.configure("");
    await nats.up();
    await eventually(() => caller.state === "connected" && service.state === "connected", "both are back", 20_000);
    await service.flush();
    expect(await ask(caller, "echo", "after")).toBe("after");
    expect(told).toEqual(["The connection to NATS was lost; reconnecting.", "The connection to NATS is back."]);
  });

  test("connects when the server comes up later", async () => {
    const nats = await server();
    await nats.kill();
    const told: string[] = [];
    const opening = link(nats, { onTrouble: (message) => told.push(message) });
    await eventually(() => told.length > 0, "the trouble is told");
    await nats.up();
    expect((await opening).state).toBe("connected");
  });
});

describe("moving to a new connection", () => {
  test("under load no call fails, no message is lost and none is seen twice", async () => {
    const nats = await server();
    const service = await echo(nats, "echo");
    const caller = await link(nats);
    const heard: number[] = [];
    caller.subscribe("news", { onMessage: (message) => heard.push(Number(decoder.decode(message.data))) });
    await caller.flush();
    const sender = await link(nats);
    let sent = 0;
    let calls = 0;
    const stop = new AbortController();
    const failed: unknown[] = [];
    const callers = Array.from({ length: 16 }, async () => {
      while (!stop.signal.aborted) {
        calls += 1;
        const text = `c${calls}`;
        await ask(caller, "echo", text).then(
          (answer) => answer === text || failed.push(answer),
          (error: unknown) => failed.push(error),
        );
      }
    });
    const publishing = (async () => {
      while (!stop.signal.aborted) {
        for (let i = 0; i < 20; i += 1) sender.publish("news", encoder.encode(String(sent++)));
        await sender.flush();
      }
    })();
    for (let i = 0; i < 12; i += 1) {
      await Promise.all([caller.renew(), i % 2 === 0 ? service.renew() : sender.renew()]);
    }
    stop.abort();
    await Promise.all([...callers, publishing]);
    await eventually(() => heard.length >= sent, "everything published is heard");
    expect(failed).toEqual([]);
    expect(calls).toBeGreaterThan(100);
    expect(heard).toEqual(Array.from({ length: sent }, (_, i) => i));
  });

  test("a call in flight on the old connection is answered through the new one", async () => {
    const nats = await server();
    const service = await link(nats);
    const held: LinkMessage[] = [];
    service.subscribe("slow", { onMessage: (message) => held.push(message) });
    await service.flush();
    const closed: number[] = [];
    const connections: { close(): Promise<void> }[] = [];
    const caller = await link(nats, {
      connect: async (options) => {
        const connection = await connect(options);
        connections.push(connection);
        void connection.closed().then(() => closed.push(1));
        return connection;
      },
    });
    const answer = ask(caller, "slow", "x", 5_000);
    await eventually(() => held.length === 1, "the request arrives");
    await caller.renew();
    expect(connections).toHaveLength(2);
    await connections[0]?.close();
    expect(closed).toHaveLength(1);
    service.publish(held[0]?.reply ?? "", encoder.encode("through the new one"));
    expect(await answer).toBe("through the new one");
    expect(await ask(await echo(nats, "echo"), "echo", "still alive")).toBe("still alive");
  });

  test("permissions that live 1 s are renewed again and again while calls run", async () => {
    const nats = await server();
    await echo(nats, "echo", { ttlMs: 1_000 });
    let opened = 0;
    const caller = await link(nats, {
      ttlMs: 1_000,
      connect: (options) => {
        opened += 1;
        return connect(options);
      },
    });
    const end = performance.now() + 4_000;
    let calls = 0;
    while (performance.now() < end) {
      await Promise.all(Array.from({ length: 8 }, (_, i) => ask(caller, "echo", `${i}`)));
      calls += 8;
    }
    expect(calls).toBeGreaterThan(100);
    expect(opened).toBeGreaterThanOrEqual(5);
  });

  test("a connection somebody closed for good is replaced with all its subscriptions", async () => {
    const nats = await server();
    const connections: { close(): Promise<void> }[] = [];
    const caller = await link(nats, {
      connect: async (options) => {
        const connection = await connect(options);
        connections.push(connection);
        return connection;
      },
    });
    const heard: string[] = [];
    caller.subscribe("news", { onMessage: (message) => heard.push(decoder.decode(message.data)) });
    await caller.flush();
    await connections[0]?.close();
    await eventually(() => caller.state === "connected" && connections.length === 2, "a new connection");
    caller.publish("news", encoder.encode("again"));
    await eventually(() => heard.length === 1, "the subscription is there again");
  });
});

describe("the end", () => {
  test("drain answers what was accepted before it closes", async () => {
    const nats = await server();
    const service = await link(nats);
    const held: LinkMessage[] = [];
    service.subscribe("work", { queue: "q", onMessage: (message) => held.push(message) });
    await service.flush();
    const caller = await link(nats);
    const own = ask(service, "other", "x", 2_000).catch((error: unknown) => error);
    const answer = ask(caller, "work", "x", 5_000);
    await eventually(() => held.length === 1, "the request arrives");
    service.publish(held[0]?.reply ?? "", encoder.encode("done"));
    await service.drain();
    expect(await answer).toBe("done");
    expect(await own).toBeInstanceOf(TransportError);
    expect((await failure(ask(caller, "work", "x"))).code).toBe("no_responders");
  });
});

describe("a cluster", () => {
  test("a service that moves to another server while it is asked loses no call", async () => {
    const [first, second] = [await freePort(), await freePort()];
    const cluster = (name: string, own: number, other: number): string =>
      `server_name: ${name}
       cluster { name: c, listen: "127.0.0.1:${own}", routes: ["nats://127.0.0.1:${other}"] }`;
    const one = await server(cluster("one", first, second));
    const two = await server(cluster("two", second, first));
    let at = 0;
    const service = await connectLink({
      connect: (options) => connect({ ...options, ignoreClusterUpdates: true }),
      inboxPrefix: PREFIX,
      plan: () => ({ servers: [(at++ % 2 === 0 ? one : two).url] }),
    });
    cleanups.push(() => service.close());
    service.subscribe("echo", {
      queue: "q",
      onMessage: (message) => service.publish(message.reply ?? "", message.data),
    });
    await service.flush();
    const caller = await link(one);
    await eventually(async () => (await ask(caller, "echo", "x").catch(() => "")) === "x", "the cluster is formed");
    const stop = new AbortController();
    const failed: string[] = [];
    const load = Array.from({ length: 8 }, async () => {
      while (!stop.signal.aborted)
        await ask(caller, "echo", "x", 3_000).catch((error: unknown) => failed.push(String(error)));
    });
    for (let i = 0; i < 6; i += 1) await service.renew();
    stop.abort();
    await Promise.all(load);
    expect(at).toBe(7);
    expect(failed).toEqual([]);
  });
});
