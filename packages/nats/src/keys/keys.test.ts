import * as oracleJwt from "@nats-io/jwt";
import * as oracleKeys from "@nats-io/nkeys";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeAuthorizationRequest, encodeAuthorizationResponse } from "./authorization.ts";
import { decodeBase32, encodeBase32 } from "./base32.ts";
import { encodeAccountJwt, encodeOperatorJwt, encodeUserJwt } from "./claims.ts";
import { decodeJwt } from "./jwt.ts";
import { createNkey, nkeyFromPublic, nkeyFromSeed, type SigningKind } from "./nkey.ts";
import { NkeyError } from "./nkey-text.ts";
import { createXkey, xkeyFromSeed } from "./xkey.ts";

/** The oracle is the NATS project's own libraries, which nats-server is tested with. */

const KINDS: readonly [SigningKind, () => oracleKeys.KeyPair][] = [
  ["operator", oracleKeys.createOperator],
  ["account", oracleKeys.createAccount],
  ["user", oracleKeys.createUser],
  ["server", oracleKeys.createServer],
];
const seedOf = (pair: oracleKeys.KeyPair): string => new TextDecoder().decode(pair.getSeed());
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const oracleOf = (seed: string): oracleKeys.KeyPair => oracleKeys.fromSeed(bytes(seed));

describe("nkeys", () => {
  it.each(KINDS)("reads what the oracle makes and the other way round: %s", (kind, create) => {
    const theirs = create();
    const same = nkeyFromSeed(seedOf(theirs));
    expect([same.kind, same.publicKey, same.seed]).toEqual([kind, theirs.getPublicKey(), seedOf(theirs)]);
    const ours = createNkey(kind);
    const back = oracleOf(ours.seed);
    expect(back.getPublicKey()).toBe(ours.publicKey);
    expect(back.verify(bytes("x"), ours.sign(bytes("x")))).toBe(true);
    expect(nkeyFromPublic(ours.publicKey).verify(bytes("x"), back.sign(bytes("x")))).toBe(true);
    expect(nkeyFromPublic(ours.publicKey).verify(bytes("y"), back.sign(bytes("x")))).toBe(false);
  });

  it("refuses a text with any letter changed", () => {
    const { publicKey, seed } = createNkey("user");
    fc.assert(
      fc.property(fc.nat(55), fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZ2345670189ab="), (at, letter) => {
        const change = (text: string): string => text.slice(0, at) + letter + text.slice(at + 1);
        if (change(publicKey) !== publicKey) expect(() => nkeyFromPublic(change(publicKey))).toThrow(NkeyError);
        if (change(seed) !== seed) expect(() => nkeyFromSeed(change(seed))).toThrow(NkeyError);
      }),
    );
  });

  it("keeps kinds apart", () => {
    expect(() => nkeyFromSeed(createXkey().seed)).toThrow(NkeyError);
    expect(() => xkeyFromSeed(createNkey("user").seed)).toThrow(NkeyError);
    expect(() => nkeyFromSeed(createNkey("user").publicKey)).toThrow(NkeyError);
  });

  it("writes base32 that reads back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (data) => {
        expect(decodeBase32(encodeBase32(data))).toEqual(data);
      }),
    );
    expect(encodeBase32(bytes("foobar"))).toBe("MZXW6YTBOI");
  });
});

describe("xkeys", () => {
  it("opens what the oracle seals and the other way round", () => {
    const ours = createXkey();
    const theirs = oracleKeys.createCurve();
    const secret = bytes("a request ".repeat(200));
    expect(ours.open(theirs.seal(secret, ours.publicKey), theirs.getPublicKey())).toEqual(secret);
    expect(theirs.open(ours.seal(secret, theirs.getPublicKey()), ours.publicKey)).toEqual(secret);
    expect(xkeyFromSeed(seedOf(theirs)).publicKey).toBe(theirs.getPublicKey());
    expect(oracleKeys.fromCurveSeed(bytes(ours.seed)).getPublicKey()).toBe(ours.publicKey);
  });

  it("opens nothing that was changed, cut short, or sent by somebody else", () => {
    const [ours, theirs, other] = [createXkey(), createXkey(), createXkey()];
    const sealed = theirs.seal(bytes("secret"), ours.publicKey);
    expect(ours.open(sealed, other.publicKey)).toBeUndefined();
    expect(ours.open(sealed, "not a key")).toBeUndefined();
    expect(other.open(sealed, theirs.publicKey)).toBeUndefined();
    for (let at = 0; at < sealed.length; at++) {
      const changed = Uint8Array.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(ours.open(changed, theirs.publicKey)).toBeUndefined();
      expect(ours.open(sealed.subarray(0, at), theirs.publicKey)).toBeUndefined();
    }
  });
});

describe("JWTs", () => {
  const operator = createNkey("operator");
  const account = createNkey("account");
  const signing = createNkey("account");

  it("are what the oracle decodes", () => {
    const user = createNkey("user").publicKey;
    const expiresAt = new Date("2030-01-01T00:00:00Z");
    const text = encodeUserJwt(
      {
        name: "ada",
        subject: user,
        permissions: { pub: { allow: ["a.>"], deny: ["a.b"] }, sub: { allow: ["_INBOX.x.>", "a.q workers"] } },
        expiresAt,
        issuerAccount: account.publicKey,
      },
      signing,
    );
    expect(oracleJwt.decode<oracleJwt.User>(text)).toMatchObject({
      name: "ada",
      sub: user,
      iss: signing.publicKey,
      exp: expiresAt.getTime() / 1000,
      nats: {
        type: "user",
        version: 2,
        issuer_account: account.publicKey,
        pub: { allow: ["a.>"], deny: ["a.b"] },
        sub: { allow: ["_INBOX.x.>", "a.q workers"], deny: [] },
        subs: -1,
        data: -1,
        payload: -1,
      },
    });
    expect(
      oracleJwt.decode(encodeOperatorJwt({ name: "o", systemAccount: account.publicKey }, operator)),
    ).toMatchObject({
      sub: operator.publicKey,
      nats: { type: "operator", system_account: account.publicKey },
    });
    const claims = { name: "A", subject: account.publicKey, signingKeys: [signing.publicKey], jetstream: true };
    expect(oracleJwt.decode(encodeAccountJwt(claims, operator))).toMatchObject({
      nats: {
        type: "account",
        signing_keys: [signing.publicKey],
        limits: { disk_storage: -1, conn: -1, wildcards: true },
      },
    });
  });

  it("decode what the oracle encodes, and nothing changed", async () => {
    const text = await oracleJwt.encodeUser("bob", oracleOf(createNkey("user").seed), oracleOf(account.seed));
    expect(decodeJwt(text)).toMatchObject({ name: "bob", iss: account.publicKey });
    for (let at = 0; at < text.length - 1; at++) {
      const changed = text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
      expect(decodeJwt(changed), `letter ${at}`).toBeUndefined();
    }
    for (const other of ["", "..", "a.b.c", "e30.e30.e30"]) expect(decodeJwt(other)).toBeUndefined();
  });

  it("turn an empty allow list into nothing, where the server would read everything", () => {
    const permissions = { pub: { allow: [] }, sub: { allow: [] } };
    const text = encodeUserJwt({ name: "nobody", subject: createNkey("user").publicKey, permissions }, account);
    expect(decodeJwt(text)?.nats).toMatchObject({ pub: { deny: [">"] }, sub: { deny: [">"] } });
  });

  it("answer a callout as the oracle does", () => {
    const [user, server] = [createNkey("user").publicKey, createNkey("server").publicKey];
    const text = encodeAuthorizationResponse(
      { userNkey: user, serverId: server, answer: { error: "unknown session" }, issuerAccount: account.publicKey },
      signing,
    );
    expect(oracleJwt.decode(text)).toMatchObject({
      sub: user,
      aud: server,
      nats: { type: "authorization_response", version: 2, error: "unknown session", issuer_account: account.publicKey },
    });
  });

  it("refuse a callout request for another audience, or in another server's name", async () => {
    const server = createNkey("server");
    const request = (id: string) => ({
      server_id: { id, name: "n1", host: "127.0.0.1" },
      user_nkey: createNkey("user").publicKey,
      client_info: { id: 7, type: "nats" },
      connect_opts: { protocol: 1, auth_token: "token" },
    });
    const encode = (id: string, aud: string) =>
      oracleJwt.encodeGeneric("", oracleOf(server.seed), "authorization_request", request(id), {
        aud,
        exp: 2_000_000_000,
      });
    const audience = "nats-authorization-request";
    expect(decodeAuthorizationRequest(await encode(server.publicKey, audience))).toMatchObject({
      ok: true,
      request: { server: { name: "n1" }, client: { id: 7, type: "nats" }, connect: { authToken: "token" } },
    });
    expect(decodeAuthorizationRequest(await encode(server.publicKey, "other"))).toEqual({
      ok: false,
      reason: "wrong_audience",
    });
    expect(decodeAuthorizationRequest(await encode(createNkey("server").publicKey, audience))).toEqual({
      ok: false,
      reason: "malformed",
    });
    expect(decodeAuthorizationRequest("a.b.c")).toEqual({ ok: false, reason: "bad_signature" });
  });
});
