import { encodeBase64url } from "@trellis/contracts";
import { proofDigest } from "@trellis/protocol";
import { describe, expect, test } from "vitest";
import { createSessionKey, portableCrypto, sessionKeyFromSeed } from "./session-key.ts";
import { CACHED_PUBLIC_KEYS, nodeCrypto, verifySignature, verifySignatureSync } from "./node/node-crypto.ts";
import { createNodeSessionKey, nodeSessionKey } from "./node/node-key.ts";

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i);
const DIGEST = proofDigest({
  sessionKey: "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
  subject: "rpc.v1.Trellis.Catalog",
  payload: new TextEncoder().encode('{"hello":"world","count":3}'),
  iat: 1735689700,
  requestId: "req-proof-alpha",
});

describe.each([
  ["portable", sessionKeyFromSeed],
  ["node", nodeSessionKey],
])("%s key", (_name, fromSeed) => {
  test("gives the proof the protocol states for its example", () => {
    const key = fromSeed(SEED);
    expect(key.publicKey).toBe("A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg");
    expect(encodeBase64url(key.sign(DIGEST))).toBe(
      "sKUXy6Cv7Jum7Ca7UtdsFCpIAeF5BrCssbAZJ_OM7SPIuGY_MblnafY95Xaoz2PlPJi_GHQegAiX134ib3vgDg",
    );
  });

  test("refuses a seed of another length", () => {
    expect(() => fromSeed(new Uint8Array(31))).toThrow(/32 bytes/);
  });

  test("keeps its own copy of the seed", () => {
    const seed = SEED.slice();
    const key = fromSeed(seed);
    const before = encodeBase64url(key.sign(DIGEST));
    seed.fill(0);
    expect(encodeBase64url(key.sign(DIGEST))).toBe(before);
  });
});

test("fresh keys differ", () => {
  expect(createSessionKey().publicKey).not.toBe(createSessionKey().publicKey);
  expect(createNodeSessionKey().publicKey).not.toBe(createNodeSessionKey().publicKey);
});

describe.each([
  ["portable", portableCrypto.verify],
  ["node, thread pool", verifySignature],
  ["node, at once", verifySignatureSync],
])("verify: %s", (_name, verify) => {
  const key = nodeSessionKey(SEED);
  const signature = encodeBase64url(key.sign(DIGEST));

  test("accepts the signature of the key", async () => {
    expect(await verify(key.publicKey, DIGEST, signature)).toBe(true);
  });

  test.each([
    ["another key", createNodeSessionKey().publicKey, signature],
    ["another signature", key.publicKey, encodeBase64url(createNodeSessionKey().sign(DIGEST))],
    ["a cut signature", key.publicKey, signature.slice(0, -2)],
    ["an empty signature", key.publicKey, ""],
    ["an empty key", "", signature],
    ["a key that is too long", `${key.publicKey}AAAA`, signature],
    ["a key that is no text of base64url", "*".repeat(43), signature],
  ])("refuses %s", async (_what, publicKey, other) => {
    expect(await verify(publicKey, DIGEST, other)).toBe(false);
  });

  test("refuses another digest", async () => {
    expect(await verify(key.publicKey, new Uint8Array(32), signature)).toBe(false);
  });
});

test("more keys than are kept still verify", () => {
  const key = nodeSessionKey(SEED);
  const signature = encodeBase64url(key.sign(DIGEST));
  for (let i = 0; i < CACHED_PUBLIC_KEYS + 10; i += 1) {
    // Any 32 bytes import as a public key; none of these is the right one.
    const bytes = new Uint8Array(32);
    new DataView(bytes.buffer).setUint32(0, i);
    verifySignatureSync(encodeBase64url(bytes), DIGEST, "");
  }
  expect(verifySignatureSync(key.publicKey, DIGEST, signature)).toBe(true);
});

test("both SHA-256 agree", () => {
  expect(encodeBase64url(nodeCrypto.sha256(DIGEST))).toBe(encodeBase64url(portableCrypto.sha256(DIGEST)));
});
