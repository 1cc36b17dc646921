import { createHash, createPublicKey, verify } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import canonicalize from "canonicalize";
import { describe, expect, test } from "vitest";
import type { VectorFile } from "./topic.ts";
import { asJson, vectorText } from "./topic.ts";
import { TOPICS } from "./topics.ts";
import { readInput } from "./input.ts";

const folder = new URL("vectors/", import.meta.url);
const committed = (topic: string): string => readFileSync(new URL(`${topic}.json`, folder), "utf8");
const vectors = (topic: string): VectorFile => JSON.parse(committed(topic));

test("there is one file for each topic and no other", () => {
  expect(readdirSync(folder).sort()).toEqual(TOPICS.map(({ topic }) => `${topic}.json`).sort());
});

describe.each(TOPICS)("$topic", (topic) => {
  test("the committed vectors are what the reference writes (npm run conformance:write)", () => {
    expect(committed(topic.topic)).toBe(vectorText(topic));
  });

  test("the reference gives every committed output for its committed input", () => {
    const { cases } = vectors(topic.topic);
    expect(cases.length).toBeGreaterThan(0);
    for (const { name, input, output } of cases) expect(asJson(topic.run(input)), name).toEqual(output);
  });
});

describe("checked by somebody else than the reference", () => {
  test("the proof of the protocol document", () => {
    expect(vectors("proofs").cases[0]?.output).toMatchObject({
      sessionKey: "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
      proof: "sKUXy6Cv7Jum7Ca7UtdsFCpIAeF5BrCssbAZJ_OM7SPIuGY_MblnafY95Xaoz2PlPJi_GHQegAiX134ib3vgDg",
    });
  });

  test("the digest of the protocol document, whatever people call the contract", () => {
    const [worked, renamed, unused, meaning] = vectors("contract-digests").cases.map(({ output }) => readInput(output));
    expect(worked?.text("digest")).toBe("u7h2fJxPcd9HDsSh0GzM3zjFrfS8btaLSh1nx9JV-9s");
    expect(renamed?.text("digest")).toBe(worked?.text("digest"));
    expect(unused?.text("digest")).toBe(worked?.text("digest"));
    expect(meaning?.text("digest")).not.toBe(worked?.text("digest"));
  });

  test("every digest is of its projection, by another SHA-256", () => {
    for (const { name, output } of vectors("contract-digests").cases) {
      const digest = readInput(output).optionalText("digest");
      if (digest === undefined) continue;
      const projection = readInput(output).text("projection");
      expect(createHash("sha256").update(projection).digest("base64url"), name).toBe(digest);
      expect(canonicalize(JSON.parse(projection)), name).toBe(projection);
    }
  });

  test("every proof verifies against its session key", () => {
    for (const { name, output } of vectors("proofs").cases) {
      const read = readInput(output);
      const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: read.text("sessionKey") }, format: "jwk" });
      const digest = Buffer.from(read.text("digest"), "base64url");
      expect(verify(null, digest, key, Buffer.from(read.text("proof"), "base64url")), name).toBe(true);
    }
  });

  test("canonical JSON, by another implementation of RFC 8785", () => {
    for (const { name, input, output } of vectors("canonical-json").cases) {
      const canonical = readInput(output).optionalText("canonical");
      if (canonical !== undefined)
        expect(canonicalize(JSON.parse(readInput(input).text("json"))), name).toBe(canonical);
    }
  });
});
