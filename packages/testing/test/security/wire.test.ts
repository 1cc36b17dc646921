import { setTimeout as pause } from "node:timers/promises";
import { defineServiceContract } from "@trellis/contracts";
import { HEADERS, inboxPrefix, randomToken } from "@trellis/protocol";
import { ok } from "@trellis/result";
import { Type } from "typebox";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "./kit/eventually.ts";
import { type Joined, type Laboratory, openLaboratory } from "./kit/laboratory.ts";
import { connectRaw, newKey } from "./kit/participant.ts";
import { agentOf } from "./kit/hostile-manifests.ts";
import { Replies, signedRequest, type SignOptions, type Wire } from "./kit/signed-request.ts";

/** What is done to requests on the wire, against a service that really runs. */
const contract = defineServiceContract(
  { schemas: { Any: Type.Unknown(), Note: Type.Object({ text: Type.String() }) } },
  (ref) => ({
    id: "honest@v1",
    displayName: "Honest",
    description: "Answers, and counts.",
    capabilities: { admire: { displayName: "Admire", description: "Admire it." } },
    rpc: {
      "Honest.Echo": { version: "v1", input: ref.schema("Note"), output: ref.schema("Note") },
      "Honest.Other": { version: "v1", input: ref.schema("Note"), output: ref.schema("Note") },
      "Honest.Admire": {
        version: "v1",
        input: ref.schema("Note"),
        output: ref.schema("Note"),
        capabilities: { call: ["admire"] },
      },
    },
  }),
);

const ECHO = "rpc.v1.Honest.Echo";
/** How long it is watched that nothing comes back. */
const QUIET_MS = 250;

let lab: Laboratory;
let eve: Joined;
let replies: Replies;
let handled: string[] = [];

beforeAll(async () => {
  lab = await openLaboratory();
  const service = await lab.platform.connectService(contract, { name: "honest" });
  for (const name of ["echo", "other", "admire"] as const) {
    service.handle.rpc.honest[name](({ input, caller }) => {
      handled.push(`${name} ${caller.name} ${input.text}`);
      return ok(input);
    });
  }
  await service.start();
  const manifest = agentOf("eve", {
    honest: { contract: "honest@v1", rpc: { call: ["Honest.Echo", "Honest.Other"] } },
  });
  eve = await lab.join({ key: newKey(), manifest, userKey: await lab.user("eve", []) });
  replies = new Replies(eve.nc, inboxPrefix(eve.key.text));
});
afterAll(() => lab?.[Symbol.asyncDispose]());
beforeEach(() => {
  handled = [];
});

const request = (options: Partial<SignOptions> & { readonly text?: string } = {}, key = eve.key): Wire =>
  signedRequest(key, { subject: ECHO, payload: JSON.stringify({ text: options.text ?? "hello" }), ...options });

async function answer(wire: Wire) {
  replies.send(wire);
  return eventually(() => replies.to(wire.reply)[0], { withinMs: 10_000, what: () => `no answer to ${wire.subject}` });
}

/** Everything sent before has been handled when a good request is answered; a moment more for what must not come. */
async function nothingComesOf(wires: readonly Wire[]): Promise<void> {
  for (const wire of wires) replies.send(wire);
  expect((await answer(request({ text: "afterwards" }))).text()).toContain("afterwards");
  await pause(QUIET_MS);
  expect(wires.flatMap((wire) => replies.to(wire.reply)).map((one) => one.text())).toEqual([]);
  expect(handled).toEqual(["echo eve afterwards"]);
}

it("a request as it should be is answered", async () => {
  expect((await answer(request())).text()).toBe('{"text":"hello"}');
  expect(handled).toEqual(["echo eve hello"]);
});

describe("gets no answer at all", () => {
  it("a forged proof: by another key, of other bytes, for another subject", async () => {
    const stranger = newKey();
    const wrongProof = request();
    wrongProof.headers.set(HEADERS.proof, "A".repeat(86));
    await nothingComesOf(
      [
        request({ claims: eve.key.text }, stranger),
        request({ signedPayload: '{"text":"other"}' }),
        request({ signedSubject: "rpc.v1.Honest.Other" }),
        wrongProof,
      ].map((wire) => ({ ...wire, reply: request().reply })),
    );
  });

  it("a request under somebody else's session key, with a reply of the sender's own", async () => {
    const other = newKey();
    await nothingComesOf([request({ claims: other.text })]);
  });

  it("a reply subject outside the caller's inbox, of another class or of no inbox at all", async () => {
    const prefix = inboxPrefix(eve.key.text);
    const [owner, call] = [randomToken(22), randomToken(12)];
    const victim = inboxPrefix(newKey().text);
    const targets = [
      `${victim}.r.${owner}.${call}`,
      `${victim}.c.notice`,
      `${prefix}.a.${owner}.${call}`,
      `${prefix}.s.${owner}`,
      `${prefix}.c.notice`,
      `${prefix}.r.${owner}`,
      `${prefix}.r.${owner}.${call}.more`,
      `${prefix}x.r.${owner}.${call}`,
      "rpc.v1.Honest.Other",
      "$KV.victim_cache.k",
      "events.v1.Victim.Told",
      "$JS.API.STREAM.PURGE.KV_victim_cache",
      "trellis.auth.v1.changes",
      "$SYS.REQ.SERVER.PING",
    ];
    const spy = await lab.direct("TRELLIS");
    const seen: string[] = [];
    spy.subscribe(">", {
      callback: (_, message) => void (targets.includes(message.subject) && seen.push(message.subject)),
    });
    await spy.flush();
    await nothingComesOf(targets.map((reply) => ({ ...request(), reply })));
    await spy.flush();
    // The control plane itself speaks on the subject of changes; the others stay silent.
    expect(seen.filter((subject) => subject !== "trellis.auth.v1.changes")).toEqual([]);
  });

  it("headers that are missing, repeated or malformed", async () => {
    const bent = (bend: (wire: Wire) => void): Wire => {
      const wire = request();
      bend(wire);
      return wire;
    };
    const names = [HEADERS.sessionKey, HEADERS.proof, HEADERS.iat, HEADERS.requestId];
    await nothingComesOf([
      ...names.map((name) => bent(({ headers }) => headers.delete(name))),
      ...names.map((name) => bent(({ headers }) => headers.append(name, headers.get(name)))),
      ...names.map((name) => bent(({ headers }) => headers.append(name, "other"))),
      ...names.map((name) => bent(({ headers }) => headers.set(name, ""))),
      ...names.map((name) => bent(({ headers }) => headers.set(name, "__proto__"))),
      bent(({ headers }) => headers.set(HEADERS.iat, "1e9")),
      bent(({ headers }) => headers.set(HEADERS.iat, "-1")),
      bent(({ headers }) => headers.set(HEADERS.deadline, "0")),
      bent(({ headers }) => headers.set(HEADERS.deadline, "9".repeat(40))),
      bent(({ headers }) => headers.append(HEADERS.deadline, "9")),
      bent(({ headers }) => headers.set(HEADERS.requestId, `${randomToken(22)}.${"9".repeat(17)}`)),
      bent(({ headers }) => headers.set("proof-alg", "none")),
      bent(({ headers }) => headers.set("proof-alg", "channel")),
      bent(({ headers }) => headers.set("Nats-Stream", "KV_mallory_cache")),
      bent(({ headers }) => headers.set("nats-sequence", "1")),
    ]);
  });
});

describe("is refused with its reason", () => {
  it("the same bytes twice", async () => {
    const wire = request({ text: "once" });
    await answer(wire);
    const before = replies.to(wire.reply).length;
    for (let again = 0; again < 3; again += 1) replies.send(wire);
    await eventually(() => replies.to(wire.reply).length === before + 3 || undefined);
    expect(
      replies
        .to(wire.reply)
        .slice(1)
        .map(({ error }) => error?.reason),
    ).toEqual(["replayed", "replayed", "replayed"]);
    expect(handled).toEqual(["echo eve once"]);
  });

  it("a request of an hour ago or an hour from now", async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const iat of [0, now - 3_600, now - 40, now + 40, now + 3_600])
      expect((await answer(request({ iat }))).error).toMatchObject({ type: "AuthError", reason: "iat_out_of_range" });
    expect(handled).toEqual([]);
  });

  it("a session nobody knows, signed by its own key", async () => {
    const stranger = newKey();
    // Eve sends it, so she cannot hear the answer; nothing is handled, which is what counts.
    const wire = request({}, stranger);
    replies.send(wire);
    await answer(request({ text: "afterwards" }));
    expect(handled).toEqual(["echo eve afterwards"]);
  });

  it("what is not JSON, not UTF-8, not of the schema, or too large for its schema's reader", async () => {
    for (const payload of [
      "",
      "{",
      "\u0000",
      new Uint8Array([0xff, 0xfe]),
      '{"text":1}',
      "[".repeat(100_000),
      `{"text":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
    ]) {
      const { error } = await answer(request({ payload }));
      expect(error?.type).toBe("ValidationError");
      expect(error?.message ?? "").not.toMatch(/node_modules|\/work\/|at .*:\d+:\d+|\.ts/);
    }
    expect(handled).toEqual([]);
  });

  it("an RPC the caller's contract does not select never leaves", async () => {
    replies.send(request({ subject: "rpc.v1.Honest.Admire" }));
    await eve.violations.settle();
    expect(eve.violations.seen).toContain("publish rpc.v1.Honest.Admire");
  });
});

it("a payload beyond the server's limit costs the sender its connection and nobody else anything", async () => {
  const manifest = agentOf("eve", {
    honest: { contract: "honest@v1", rpc: { call: ["Honest.Echo", "Honest.Other"] } },
  });
  const key = newKey();
  const userKey = await lab.user("eve2", []);
  const loud = await lab.join({ key, manifest, userKey });
  const large = request({ payload: JSON.stringify({ text: "x".repeat(3_900_000) }) }, key);
  loud.nc.publish(large.subject, large.payload, { headers: large.headers, reply: large.reply });
  await loud.nc.flush();
  expect(() => loud.nc.publish(ECHO, new Uint8Array(5 * 1024 * 1024))).toThrow(/max_payload/i);
  expect((await answer(request({ text: "still here" }))).text()).toContain("still here");
});

describe("a connect token", () => {
  it("that was captured is good for nothing, whoever presents it", async () => {
    let captured: { auth_token: string; sig: string } | undefined;
    const identity = { key: eve.key, manifest: eve.manifest };
    const own = await connectRaw(identity, lab.servers, { present: (credentials) => (captured = credentials) });
    await own.close();
    await expect(connectRaw(identity, lab.servers, { present: () => captured ?? { auth_token: "" } })).rejects.toThrow(
      /authorization/i,
    );
    await expect(
      connectRaw(identity, lab.servers, { present: ({ sig }) => ({ auth_token: captured?.auth_token ?? "", sig }) }),
    ).rejects.toThrow(/authorization/i);
  });

  it("for another contract than the session's, without or with another's signature of the nonce, is refused", async () => {
    const identity = { key: eve.key, manifest: eve.manifest };
    const bend = (change: (token: { [member: string]: unknown }) => void) => ({
      present: ({ auth_token, sig }: { auth_token: string; sig: string }) => {
        const token: { [member: string]: unknown } = JSON.parse(auth_token);
        change(token);
        return { auth_token: JSON.stringify(token), sig };
      },
    });
    await expect(connectRaw(identity, lab.servers, { digest: "A".repeat(43) })).rejects.toThrow(/authorization/i);
    for (const change of [
      (token: { [member: string]: unknown }) => void delete token["nonceSig"],
      (token: { [member: string]: unknown }) => void (token["nonceSig"] = token["sig"]),
      (token: { [member: string]: unknown }) => void (token["contractDigest"] = "A".repeat(43)),
      (token: { [member: string]: unknown }) => void (token["iat"] = 1),
      (token: { [member: string]: unknown }) => void (token["sessionKey"] = newKey().text),
      (token: { [member: string]: unknown }) => void (token["v"] = 2),
    ]) {
      await expect(connectRaw(identity, lab.servers, bend(change))).rejects.toThrow(/authorization/i);
    }
    for (const auth_token of ["", "{", "null", "[]", "x".repeat(20_000), '{"__proto__":{"v":1}}']) {
      await expect(connectRaw(identity, lab.servers, { present: ({ sig }) => ({ auth_token, sig }) })).rejects.toThrow(
        /authorization/i,
      );
    }
    // Everything above was refused for what it was, not because nobody gets in any more.
    await (await connectRaw(identity, lab.servers)).close();
  });
});
