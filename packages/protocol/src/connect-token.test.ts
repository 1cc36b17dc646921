import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { connectTokenDigests, encodeConnectToken, parseConnectToken, verifyConnectToken } from "./index.ts";
import type { ConnectToken, VerifySignature } from "./index.ts";

const now = 1_735_689_700;
const contractDigest = "u7h2fJxPcd9HDsSh0GzM3zjFrfS8btaLSh1nx9JV-9s";
const verifyEd25519: VerifySignature = (sessionKey, digest, signature) =>
  verify(
    null,
    digest,
    createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: sessionKey }, format: "jwk" }),
    Buffer.from(signature, "base64url"),
  );

let token: ConnectToken;
beforeEach(() => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const digests = connectTokenDigests({ iat: now, contractDigest, nonce: "server-nonce" });
  token = {
    v: 1,
    sessionKey: publicKey.export({ format: "jwk" }).x ?? "",
    contractDigest,
    iat: now,
    sig: sign(null, digests.sig, privateKey).toString("base64url"),
    nonceSig: sign(null, digests.nonceSig, privateKey).toString("base64url"),
  };
});

const check = (changes: Partial<ConnectToken> = {}, context: { nonce?: string; nowSeconds?: number } = {}) =>
  verifyConnectToken(
    { ...token, ...changes },
    { nonce: "server-nonce", nowSeconds: now, verify: verifyEd25519, ...context },
  );

test("round trip, then verified", async () => {
  const parsed = parseConnectToken(encodeConnectToken(token));
  expect(parsed).toEqual({ ok: true, value: token });
  expect(await check()).toMatchObject({ ok: true });
});

test("a token for another connection, contract, time or key is refused", async () => {
  expect(await check({}, { nonce: "another-nonce" })).toMatchObject({ error: { reason: "invalid_signature" } });
  expect(await check({}, { nonce: "" })).toMatchObject({ error: { reason: "invalid_signature" } });
  expect(await check({ contractDigest: contractDigest.replace("u", "v") })).toMatchObject({
    error: { reason: "invalid_signature" },
  });
  expect(await check({ iat: now + 1 })).toMatchObject({ error: { reason: "invalid_signature" } });
  expect(await check({ sig: token.nonceSig })).toMatchObject({ error: { reason: "invalid_signature" } });
});

test("freshness is 30 seconds either way", async () => {
  expect(await check({}, { nowSeconds: now + 30 })).toMatchObject({ ok: true });
  expect(await check({}, { nowSeconds: now - 30 })).toMatchObject({ ok: true });
  expect(await check({}, { nowSeconds: now + 31 })).toMatchObject({ error: { reason: "iat_out_of_range" } });
  expect(await check({}, { nowSeconds: now - 31 })).toMatchObject({ error: { reason: "iat_out_of_range" } });
});

describe("parsing refuses", () => {
  const json = (changes: object) => JSON.stringify({ ...JSON.parse(encodeConnectToken(token)), ...changes });
  test.each([
    ["nothing", () => ""],
    ["not JSON", () => "nonsense"],
    ["not an object", () => "[1]"],
    ["null", () => "null"],
    ["another version", () => json({ v: 2 })],
    ["an unknown member", () => json({ extra: 1 })],
    ["a missing member", () => json({ sig: undefined })],
    ["a short key", () => json({ sessionKey: "abc" })],
    ["a key with unused bits", () => json({ sessionKey: `${"A".repeat(42)}B` })],
    ["a fractional time", () => json({ iat: 1.5 })],
    ["a negative time", () => json({ iat: -1 })],
    ["a time as text", () => json({ iat: "1735689700" })],
    ["a signature with unused bits", () => json({ sig: `${"A".repeat(85)}B` })],
    ["another order", () => JSON.stringify(token)],
    ["white space", () => `${encodeConnectToken(token)} `],
    ["a repeated member", () => encodeConnectToken(token).replace('"v":1', '"v":1,"v":1')],
    ["five megabytes", () => `${encodeConnectToken(token)}${" ".repeat(5_000_000)}`],
  ])("%s", (_name, text) => {
    expect(parseConnectToken(text())).toMatchObject({ ok: false });
  });
});
