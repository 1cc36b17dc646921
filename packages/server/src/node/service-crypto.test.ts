import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { serviceCrypto } from "./service-crypto.ts";
import { verifyByHalves } from "./verify-by-halves.ts";
import { verifyInPool } from "./verify-in-pool.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const key = publicKey.export({ format: "jwk" }).x ?? "";

function signed(count: number): { digest: Uint8Array; good: boolean; signature: string }[] {
  return Array.from({ length: count }, (_, at) => {
    const digest = randomBytes(32);
    const good = at % 3 !== 0;
    return { digest, good, signature: sign(null, good ? digest : randomBytes(32), privateKey).toString("base64url") };
  });
}

describe.each([
  ["in the pool", verifyInPool()],
  ["by halves", verifyByHalves(verifyInPool())],
  ["as this machine does it", serviceCrypto.verify],
])("%s", (_, verify) => {
  test("every signature gets its own verdict, also far beyond what is verified at once", async () => {
    const cases = signed(300);
    const verdicts = await Promise.all(cases.map(({ digest, signature }) => verify(key, digest, signature)));
    expect(verdicts).toEqual(cases.map(({ good }) => good));
    expect(await verify("no key", randomBytes(32), "no signature")).toBe(false);
  });

  test("the event loop goes on while many wait", async () => {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      counting = setImmediate(count);
    };
    let counting = setImmediate(count);
    await Promise.all(signed(200).map(({ digest, signature }) => verify(key, digest, signature)));
    clearImmediate(counting);
    expect(turns).toBeGreaterThan(5);
  });
});
