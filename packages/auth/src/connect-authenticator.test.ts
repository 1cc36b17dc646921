import { parseConnectToken, verifyConnectToken } from "@trellis/protocol";
import { expect, test } from "vitest";
import { connectAuthenticator } from "./connect-authenticator.ts";
import { nodeCrypto } from "./node/node-crypto.ts";
import { createNodeSessionKey } from "./node/node-key.ts";
import { ServerClock } from "./server-clock.ts";

const key = createNodeSessionKey();
const contractDigest = "u7h2fJxPcd9HDsSh0GzM3zjFrfS8btaLSh1nx9JV-9s";

test("the token verifies for its own nonce and the server's time only", async () => {
  const clock = new ServerClock();
  clock.correct(1_800_000_000_000, clock.instant(), clock.instant());
  const { auth_token } = connectAuthenticator({ key, contractDigest, clock, sha256: nodeCrypto.sha256 })("nonce-1");
  const token = parseConnectToken(auth_token);
  if (!token.ok) throw new Error(token.error.detail);
  expect(token.value).toMatchObject({ sessionKey: key.publicKey, contractDigest });
  const check = { nonce: "nonce-1", nowSeconds: 1_800_000_000, verify: nodeCrypto.verify };
  expect((await verifyConnectToken(token.value, check)).ok).toBe(true);
  expect((await verifyConnectToken(token.value, { ...check, nonce: "nonce-2" })).ok).toBe(false);
  expect((await verifyConnectToken(token.value, { ...check, nowSeconds: 1_800_000_600 })).ok).toBe(false);
});
