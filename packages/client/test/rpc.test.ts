import { createServer } from "node:http";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeConnect as connect } from "../src/node.ts";
import { headers as natsHeaders } from "@nats-io/nats-core";
import { createNodeSessionKey, nodeCrypto, verifySignatureSync, writeSeedFile } from "@trellis/auth/node";
import { newSeed } from "@trellis/auth";
import { defineAgentContract, defineError, defineServiceContract, NO_BINDINGS } from "@trellis/contracts";
import {
  AuthError,
  encodeError,
  encodeSessionNotice,
  HEADERS,
  parseRequestHeaders,
  proofDigest,
  RemoteError,
  sessionNoticeSubject,
  STATUS_ERROR,
  TransportError,
  ValidationError,
} from "@trellis/protocol";
import type { BootstrapAnswer, BootstrapRequest } from "@trellis/protocol";
import { Type } from "typebox";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createClient } from "../src/client.ts";
import { connectSession } from "../src/session.ts";
import type { Session } from "../src/session.ts";
import { connectLink } from "../src/nats-link.ts";
import type { NatsLink } from "../src/nats-link.ts";
import type { ConnectFunction } from "../src/nats-wire.ts";
import type { LinkMessage } from "../src/link.ts";
import { TrellisClient } from "../src/node.ts";
import { eventually, TestNatsServer } from "./nats-server.ts";

const NoThing = defineError({ type: "NoThing", fields: { id: Type.String() }, message: ({ id }) => `No thing ${id}` });
const Id = Type.Object({ id: Type.String() });
const Thing = Type.Object({ id: Type.String(), size: Type.Number() });
const things = defineServiceContract({ schemas: { Id, Thing }, errors: { NoThing } }, (ref) => ({
  id: "things@v1",
  displayName: "Things",
  description: "Things to ask for.",
  rpc: {
    "Things.Get": {
      version: "v1",
      input: ref.schema("Id"),
      output: ref.schema("Thing"),
      errors: [ref.error("NoThing")],
    },
    "Things.Deep.Look": { version: "v1", input: ref.schema("Id"), output: ref.schema("Thing") },
    "Things.Hidden": { version: "v1", input: ref.schema("Id"), output: ref.schema("Thing") },
  },
}));
const viewer = defineAgentContract({
  id: "viewer@v1",
  displayName: "Viewer",
  description: "Looks at things.",
  uses: { required: { things: things.use({ rpc: { call: ["Things.Get", "Things.Deep.Look"] } }) } },
});

type Reply = { readonly body: unknown } | { readonly error: unknown };
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A platform that answers bootstrap over HTTP, and nothing more. */
async function platform(
  nats: { readonly url: string },
  answer?: (request: BootstrapRequest) => BootstrapAnswer | undefined,
) {
  const asked: BootstrapRequest[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += String(chunk)));
    request.on("end", () => {
      const body: BootstrapRequest = JSON.parse(text);
      asked.push(body);
      const ready: BootstrapAnswer = {
        status: "ready",
        serverNow: Date.now(),
        nats: { servers: [nats.url], websocket: [] },
        contractDigest: body.contractDigest,
        inboxPrefix: `_INBOX.${body.sessionKey.slice(0, 16)}`,
        bindings: NO_BINDINGS,
        grantedUses: [],
        principal: { type: "user", id: "u", name: "dev" },
        capabilities: [],
        revision: asked.length,
        permissionsTtlMs: 3_600_000,
      };
      response.end(JSON.stringify(answer?.(body) ?? ready));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no address");
  return { url: `http://127.0.0.1:${address.port}`, asked };
}

/** A service that checks the proof of every request, then answers what it is told to. */
async function serve(nats: TestNatsServer, answer: (input: unknown, message: LinkMessage) => Reply): Promise<NatsLink> {
  const link = await connectLink({
    connect,
    inboxPrefix: "_INBOX.SSSSSSSSSSSSSSSS",
    plan: () => ({ servers: [nats.url] }),
  });
  cleanups.push(() => link.close());
  link.subscribe("rpc.v1.>", {
    onMessage(message) {
      const parsed = parseRequestHeaders(message.headers);
      let reply: Reply;
      if (!parsed.ok) reply = { error: parsed.error };
      else {
        const { sessionKey, proof, iat, requestId } = parsed.value;
        const digest = proofDigest({ sessionKey, subject: message.subject, payload: message.data, iat, requestId });
        reply = verifySignatureSync(sessionKey, digest, proof)
          ? answer(JSON.parse(decoder.decode(message.data)), message)
          : { error: new AuthError("invalid_signature") };
      }
      if ("body" in reply) link.publish(message.reply ?? "", encoder.encode(JSON.stringify(reply.body)));
      else {
        const headers = natsHeaders();
        headers.set(HEADERS.status, STATUS_ERROR);
        link.publish(message.reply ?? "", encodeError(reply.error, "log-1"), { headers });
      }
    },
  });
  await link.flush();
  return link;
}

async function session(url: string, connectAs: ConnectFunction = connect): Promise<Session> {
  const opened = await connectSession({
    url,
    key: createNodeSessionKey(),
    contract: viewer,
    kind: "agent",
    crypto: nodeCrypto,
    connect: connectAs,
    transport: "tcp",
    onNotice: () => undefined,
  });
  cleanups.push(() => opened.close());
  return opened;
}

let nats: TestNatsServer;
beforeEach(async () => {
  nats = await TestNatsServer.start();
  cleanups.push(() => nats.stop());
});

describe("a call", () => {
  test("is signed, reaches the service and comes back typed, by path and by name", async () => {
    await serve(nats, (input) => ({ body: { id: JSON.stringify(input), size: 3 } }));
    const client = createClient({ contract: viewer, transport: await session((await platform(nats)).url) });
    const thing = await client.rpc.things.get({ id: "t" }).orThrow();
    expect(thing.size).toBe(3);
    expect(thing.id).toBe('{"id":"t"}');
    expect((await client.rpc.things.deepLook({ id: "d" }).orThrow()).id).toBe('{"id":"d"}');
    expect((await client.request("Things.Get", { id: "n" }).orThrow()).id).toBe('{"id":"n"}');
  });

  test("gives declared errors back as their classes", async () => {
    await serve(nats, () => ({ error: new NoThing({ id: "t_404" }) }));
    const client = createClient({ contract: viewer, transport: await session((await platform(nats)).url) });
    const result = await client.rpc.things.get({ id: "t_404" });
    if (result.ok || !(result.error instanceof NoThing)) throw new Error("not the declared error");
    expect(result.error.id).toBe("t_404");
    expect(result.error.message).toBe("No thing t_404");
    // The other RPC does not declare it, so there it is a stranger that keeps all it carried.
    const other = await client.rpc.things.deepLook({ id: "t_404" });
    expect(!other.ok && other.error).toBeInstanceOf(RemoteError);
  });

  test("with a wrong input is not sent, and with a wrong answer is not believed", async () => {
    let served = 0;
    await serve(nats, () => {
      served += 1;
      return { body: { id: 7 } };
    });
    const client = createClient({ contract: viewer, transport: await session((await platform(nats)).url) });
    // @ts-expect-error the input is not what the contract says
    const wrong = await client.rpc.things.get({ id: 5 });
    if (wrong.ok || !(wrong.error instanceof ValidationError)) throw new Error("not a ValidationError");
    expect(wrong.error.issues[0]?.path).toBe("/id");
    expect(served).toBe(0);
    const answer = await client.rpc.things.get({ id: "t" });
    if (answer.ok || !(answer.error instanceof TransportError)) throw new Error("not a TransportError");
    expect(answer.error.code).toBe("invalid_reply");
  });

  test("refused for its time of signing is signed again with the right one", async () => {
    let refused = 0;
    await serve(nats, () => {
      refused += 1;
      return refused === 1 ? { error: new AuthError("iat_out_of_range") } : { body: { id: "t", size: 1 } };
    });
    const { url, asked } = await platform(nats);
    const client = createClient({ contract: viewer, transport: await session(url) });
    expect((await client.rpc.things.get({ id: "t" })).ok).toBe(true);
    expect(asked).toHaveLength(2);
  });

  test("that nobody serves says so at once with the name people know", async () => {
    const client = createClient({ contract: viewer, transport: await session((await platform(nats)).url) });
    const result = await client.rpc.things.get({ id: "t" });
    if (result.ok || !(result.error instanceof TransportError)) throw new Error("not a TransportError");
    expect(result.error.code).toBe("no_responders");
    expect(result.error.message).toContain("Things.Get");
  });

  test("carries its deadline, and the deadline ends it", async () => {
    let deadline = "";
    const link = await connectLink({
      connect,
      inboxPrefix: "_INBOX.SSSSSSSSSSSSSSSS",
      plan: () => ({ servers: [nats.url] }),
    });
    cleanups.push(() => link.close());
    link.subscribe("rpc.v1.Things.Get", {
      onMessage: (message) => (deadline = message.headers?.get(HEADERS.deadline) ?? ""),
    });
    await link.flush();
    const client = createClient({ contract: viewer, transport: await session((await platform(nats)).url) });
    const result = await client.rpc.things.get({ id: "t" }, { timeoutMs: 150 });
    expect(!result.ok && result.error instanceof TransportError && result.error.code).toBe("timeout");
    expect(Number(deadline)).toBeGreaterThan(100);
    expect(Number(deadline)).toBeLessThanOrEqual(150);
  });
});

describe("a call NATS refuses", () => {
  test("is insufficient_permissions at once, with the line that is missing", async () => {
    await nats.stop();
    nats = await TestNatsServer.start(`
      authorization { users: [ { user: dev, password: dev, permissions { publish: ["rpc.v1.Things.Deep.Look"], subscribe: ["_INBOX.>"] } } ] }`);
    const opened = await session((await platform(nats)).url, (options) =>
      connect({ ...options, authenticator: () => ({ user: "dev", pass: "dev" }) }),
    );
    const client = createClient({ contract: viewer, transport: opened });
    const declared = await client.rpc.things.get({ id: "t" });
    // @ts-expect-error not in the contract's uses
    const forced = await client.request("Things.Hidden", { id: "t" });
    // @ts-expect-error in no contract at all
    const unknown = await client.request("Nobody.Has", {});
    for (const result of [declared, forced, unknown]) {
      if (result.ok || !(result.error instanceof AuthError)) throw new Error("not an AuthError");
      expect(result.error.reason).toBe("insufficient_permissions");
    }
    expect(!declared.ok && declared.error.message).toContain("not granted");
    expect(!forced.ok && String(forced.error)).toContain(
      'things.use({ rpc: { call: ["Things.Deep.Look", "Things.Get", "Things.Hidden"] } })',
    );
    expect(!unknown.ok && String(unknown.error)).toContain("Nobody.Has");
  });
});

describe("a session", () => {
  test("told that it is revoked ends its calls with that reason", async () => {
    const service = await serve(nats, () => ({ body: null }));
    await service.drain();
    const silent = await connectLink({
      connect,
      inboxPrefix: "_INBOX.SSSSSSSSSSSSSSSS",
      plan: () => ({ servers: [nats.url] }),
    });
    cleanups.push(() => silent.close());
    silent.subscribe("rpc.v1.>", { onMessage: () => undefined });
    await silent.flush();
    const opened = await session((await platform(nats)).url);
    const client = createClient({ contract: viewer, transport: opened });
    const call = client.rpc.things.get({ id: "t" });
    await eventually(() => client.connection.waiting === 1, "the call waits");
    await opened.link.flush();
    silent.publish(
      sessionNoticeSubject(opened.facts.inboxPrefix),
      encodeSessionNotice({ type: "revoked", revision: 9 }),
    );
    const result = await call;
    if (result.ok || !(result.error instanceof AuthError)) throw new Error("not an AuthError");
    expect(result.error.message).toContain("revoked");
    expect(opened.ended.aborted).toBe(true);
    const later = await client.rpc.things.get({ id: "t" });
    expect(!later.ok && later.error.message).toContain("revoked");
    expect(client.connection.state).toBe("closed");
  });

  test("told that its permissions changed asks for its facts and moves to a new connection", async () => {
    const service = await serve(nats, () => ({ body: { id: "t", size: 1 } }));
    const { url, asked } = await platform(nats);
    const opened = await session(url);
    await opened.link.flush();
    const revisions: number[] = [];
    opened.onFacts((facts) => revisions.push(facts.revision));
    service.publish(
      sessionNoticeSubject(opened.facts.inboxPrefix),
      encodeSessionNotice({ type: "permissionsChanged", revision: 3 }),
    );
    await eventually(() => opened.facts.revision >= 3, "the facts catch up with the change");
    expect(revisions).toEqual([2, 3]);
    expect(asked).toHaveLength(3);
    const client = createClient({ contract: viewer, transport: opened });
    expect((await client.rpc.things.get({ id: "t" })).ok).toBe(true);
  });

  test("whose NATS came back somewhere else asks the platform where, and goes on there", async () => {
    const where = { url: nats.url };
    const opened = await session((await platform(where)).url);
    await nats.kill();
    await eventually(() => opened.link.state === "reconnecting", "the outage is noticed");
    const elsewhere = await TestNatsServer.start();
    cleanups.push(() => elsewhere.stop());
    where.url = elsewhere.url;
    await serve(elsewhere, () => ({ body: { id: "t", size: 1 } }));
    await eventually(() => opened.link.state === "connected", "it is connected to the other server", 20_000);
    const client = createClient({ contract: viewer, transport: opened });
    expect((await client.rpc.things.get({ id: "t" })).ok).toBe(true);
  });

  test("refused by NATS asks the platform why, and ends with that", async () => {
    await nats.stop();
    nats = await TestNatsServer.start("authorization { token: other }");
    const { url } = await platform(nats, undefined);
    const opening = session(url);
    await expect(
      Promise.race([opening, new Promise((_, reject) => setTimeout(() => reject(new Error("still trying")), 300))]),
    ).rejects.toThrow("still trying");
    // The platform comes to know better.
    let revoked = false;
    const second = await platform(nats, () =>
      revoked
        ? { status: "refused", serverNow: Date.now(), reason: "session_revoked", message: "The session was revoked." }
        : ((revoked = true), undefined),
    );
    await expect(session(second.url)).rejects.toThrow("The session was revoked.");
    opening.catch(() => undefined);
  });
});

describe("TrellisClient.connect", () => {
  test("finds the local platform above the working directory and lets the developer vouch for a fresh key", async () => {
    await serve(nats, () => ({ body: { id: "t", size: 1 } }));
    const { url, asked } = await platform(nats);
    const folder = mkdtempSync(join(tmpdir(), "trellis-local-"));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const below = join(folder, "a", "b");
    mkdirSync(below, { recursive: true });
    mkdirSync(join(folder, ".trellis"));
    writeSeedFile(join(folder, ".trellis", "developer.seed"), newSeed());
    const file = join(folder, ".trellis", "local.json");
    writeFileSync(file, JSON.stringify({ url, developerKeyFile: "developer.seed" }), { mode: 0o600 });
    {
      await using client = await TrellisClient.connect({ contract: viewer, cwd: below, env: {} });
      expect((await client.rpc.things.get({ id: "t" }).orThrow()).size).toBe(1);
    }
    expect(asked[0]?.enrol).toBeDefined();
    chmodSync(file, 0o644);
    await expect(TrellisClient.connect({ contract: viewer, cwd: below, env: {} })).rejects.toThrow("chmod 600");
  });

  test("without any platform, or without a key, says what to do", async () => {
    await expect(TrellisClient.connect({ contract: viewer, cwd: "/", env: {} })).rejects.toThrow("trellis up");
    await expect(
      TrellisClient.connect({ contract: viewer, cwd: "/", env: { TRELLIS_URL: "http://127.0.0.1:1" } }),
    ).rejects.toThrow("TRELLIS_USER_KEY_FILE");
  });
});
