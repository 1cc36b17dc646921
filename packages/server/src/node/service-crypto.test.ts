import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { expect, test } from "vitest";
import { serviceCrypto } from "./service-crypto.ts";

test("every signature gets its own verdict, also far beyond what the thread pool holds", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key = publicKey.export({ format: "jwk" }).x ?? "";
  const cases = Array.from({ length: 300 }, (_, at) => {
    const digest = randomBytes(32);
    const good = at % 3 !== 0;
    return { digest, good, signature: sign(null, good ? digest : randomBytes(32), privateKey).toString("base64url") };
  });
  const verdicts = await Promise.all(
    cases.map(({ digest, signature }) => serviceCrypto.verify(key, digest, signature)),
  );
  expect(verdicts).toEqual(cases.map(({ good }) => good));
  expect(await serviceCrypto.verify("no key", randomBytes(32), "no signature")).toBe(false);
});
