import { createPrivateKey, createPublicKey, hash, sign } from "node:crypto";
import { expect, test } from "vitest";
import { proofDigest, proofInputBytes } from "./index.ts";
import type { ProofInput } from "./index.ts";

const encoder = new TextEncoder();
const seed = Uint8Array.from({ length: 32 }, (_, index) => index);
const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
  format: "der",
  type: "pkcs8",
});
const sessionKey = createPublicKey(privateKey).export({ format: "jwk" }).x ?? "";
const input: ProofInput = {
  sessionKey,
  subject: "rpc.v1.Trellis.Catalog",
  payload: encoder.encode('{"hello":"world","count":3}'),
  iat: 1_735_689_700,
  requestId: "req-proof-alpha",
};
const native = (bytes: Uint8Array): Uint8Array => hash("sha256", bytes, "buffer");

test("the check of the protocol holds", () => {
  expect(sessionKey).toBe("A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg");
  expect(sign(null, proofDigest(input), privateKey).toString("base64url")).toBe(
    "sKUXy6Cv7Jum7Ca7UtdsFCpIAeF5BrCssbAZJ_OM7SPIuGY_MblnafY95Xaoz2PlPJi_GHQegAiX134ib3vgDg",
  );
});

test("a native SHA-256 and a payload hash give the same digest", () => {
  const expected = proofDigest(input);
  expect(Buffer.from(proofDigest(input, native))).toEqual(Buffer.from(expected));
  const hashed = { ...input, payload: { hash: native(encoder.encode('{"hello":"world","count":3}')) } };
  expect(Buffer.from(proofDigest(hashed))).toEqual(Buffer.from(expected));
});

test("parts cannot be moved across their borders", () => {
  const moved = { ...input, subject: `${input.subject}1`, iat: 735_689_700 };
  expect(proofInputBytes(moved).length).toBe(proofInputBytes(input).length);
  expect(proofDigest(moved)).not.toEqual(proofDigest(input));
});

test("every part counts", () => {
  const changes: readonly Partial<ProofInput>[] = [
    { sessionKey: "B".repeat(43) },
    { subject: "rpc.v1.Trellis.Catalog2" },
    { payload: encoder.encode('{"hello":"world","count":4}') },
    { iat: 1_735_689_701 },
    { requestId: "req-proof-alphb" },
  ];
  const digests = new Set(
    [input, ...changes.map((change) => ({ ...input, ...change }))].map((one) => proofDigest(one).join()),
  );
  expect(digests.size).toBe(changes.length + 1);
});

test("bytes beyond ASCII and beyond the first buffer are written whole", () => {
  const long = { ...input, subject: `events.${"é🙂".repeat(2_000)}` };
  const bytes = proofInputBytes(long);
  const subject = encoder.encode(long.subject);
  expect(new DataView(bytes.buffer).getUint32(4 + 43)).toBe(subject.length);
  expect(Buffer.from(bytes.subarray(51, 51 + subject.length)).toString()).toBe(long.subject);
  expect(sign(null, proofDigest(input), privateKey).toString("base64url").startsWith("sKUXy6Cv7")).toBe(true);
});
