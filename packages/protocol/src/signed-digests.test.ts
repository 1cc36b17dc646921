import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import {
  bindFlowDigest,
  bootstrapDigest,
  connectDigest,
  enrolDigest,
  isDigest,
  isSessionKey,
  isSignature,
  nonceDigest,
  oauthInitDigest,
} from "./index.ts";

const hashed = (text: string): string => createHash("sha256").update(text).digest("hex");
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("every digest is of the text the protocol names", () => {
  expect(hex(connectDigest(17, "dg"))).toBe(hashed("nats-connect:17:dg"));
  expect(hex(nonceDigest("nönce"))).toBe(hashed("nats-nonce:nönce"));
  expect(hex(bootstrapDigest(17, "dg"))).toBe(hashed("bootstrap:17:dg"));
  expect(hex(enrolDigest("key", "dg", 17))).toBe(hashed("enrol-session:key:dg:17"));
  expect(hex(bindFlowDigest("flow"))).toBe(hashed("bind-flow:flow"));
  expect(hex(oauthInitDigest({ redirectTo: "https://a/b", contract: { b: 1, a: [2] } }))).toBe(
    hashed('oauth-init:https://a/b::{"a":[2],"b":1}:null'),
  );
  expect(hex(oauthInitDigest({ redirectTo: "https://a/b", provider: "p", contract: {}, context: { z: null } }))).toBe(
    hashed('oauth-init:https://a/b:p:{}:{"z":null}'),
  );
});

test("texts of keys, digests and signatures have one spelling", () => {
  const key = Buffer.alloc(32, 255).toString("base64url");
  const signature = Buffer.alloc(64, 255).toString("base64url");
  expect(isSessionKey(key) && isDigest(key) && isSignature(signature)).toBe(true);
  for (const wrong of [`${key}=`, `${key.slice(0, -1)}9`, key.slice(1), `${key}\n`, signature, "", undefined, 5])
    expect(isSessionKey(wrong)).toBe(false);
  for (const wrong of [`${signature.slice(0, -1)}x`, `${signature}=`, key, `${signature}\n`])
    expect(isSignature(wrong)).toBe(false);
});
