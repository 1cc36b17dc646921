import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, contractDigest, digestProjection, normalizeManifest, parseManifest } from "./index.ts";
import type { Json, Manifest } from "./index.ts";
import { anyManifest, shuffled } from "../test/random-manifests.ts";

const worked = {
  format: "trellis.contract.v1",
  id: "conformance.capabilities@v1",
  displayName: "Anything",
  description: "Anything at all",
  kind: "service",
  capabilities: { "conformance.capabilities::read": { displayName: "Read", description: "Read records." } },
  schemas: {
    Input: { type: "object", properties: {} },
    Output: { type: "object", properties: { value: { type: "string" } }, required: ["value"] },
    Unused: { type: "null" },
  },
  exports: { schemas: ["Unused"] },
  rpc: {
    "Conformance.Read": {
      version: "v1",
      subject: "rpc.v1.Conformance.Read",
      input: { schema: "Input" },
      output: { schema: "Output" },
      capabilities: { call: ["conformance.capabilities::read"] },
    },
  },
  unknownMember: true,
};

function parsed(input: unknown): Manifest {
  const result = parseManifest(input);
  if (!result.ok) throw new Error(JSON.stringify(result.error.problems));
  return result.value.manifest;
}

describe("contractDigest", () => {
  test("the worked example of the protocol", () => {
    expect(contractDigest(parsed(worked))).toBe("u7h2fJxPcd9HDsSh0GzM3zjFrfS8btaLSh1nx9JV-9s");
    expect(contractDigest(parsed(JSON.stringify(worked)))).toBe("u7h2fJxPcd9HDsSh0GzM3zjFrfS8btaLSh1nx9JV-9s");
  });

  test("words for people, order and repeats do not change it", () => {
    fc.assert(
      fc.property(anyManifest, fc.integer(), (manifest, seed) => {
        const other = {
          ...manifest,
          displayName: "Other",
          description: "Other",
          docs: { markdown: "# Other" },
          exports: { schemas: [] },
        };
        expect(contractDigest(shuffled(other, seed))).toBe(contractDigest(manifest));
      }),
      { numRuns: 60 },
    );
  });

  test("what the contract means does change it", () => {
    const base = contractDigest(parsed(worked));
    const rpc = worked.rpc["Conformance.Read"];
    for (const changed of [
      { ...worked, kind: "agent" },
      { ...worked, id: "conformance.capabilities@v2" },
      { ...worked, rpc: { "Conformance.Read": { ...rpc, capabilities: { call: [] } } } },
      { ...worked, rpc: { "Conformance.Read": { ...rpc, capabilities: undefined } } },
      { ...worked, rpc: { "Conformance.Read": { ...rpc, once: true } } },
      {
        ...worked,
        capabilities: { "conformance.capabilities::read": { displayName: "Read!", description: "Read records." } },
      },
      { ...worked, schemas: { ...worked.schemas, Input: { type: "object" } } },
    ]) {
      expect(contractDigest(parsed(changed))).not.toBe(base);
    }
  });

  test("the projection keeps exactly what it should", () => {
    const manifest = parsed({
      ...worked,
      errors: {
        Used: { type: "Used", schema: { schema: "Unused" } },
        Spare: { type: "Spare", schema: { schema: "OnlySpare" } },
      },
      schemas: { ...worked.schemas, OnlySpare: { type: "string" } },
      rpc: {
        "Conformance.Read": {
          ...worked.rpc["Conformance.Read"],
          errors: [{ type: "Used" }, { type: "Used" }],
          docs: { markdown: "x" },
        },
      },
      docs: { markdown: "y" },
    });
    const projection = digestProjection(manifest);
    expect(Object.keys(projection as object).sort()).toEqual([
      "capabilities",
      "errors",
      "format",
      "id",
      "kind",
      "rpc",
      "schemas",
    ]);
    expect(projection).toMatchObject({
      errors: { Used: { type: "Used" } },
      rpc: { "Conformance.Read": { errors: [{ type: "Used" }] } },
    });
    expect(Object.keys((projection as { schemas: object }).schemas).sort()).toEqual(["Input", "Output", "Unused"]);
    expect(JSON.stringify(projection)).not.toContain("docs");
  });
});

describe("normalizeManifest", () => {
  test("is idempotent, and parsing its own output changes nothing", () => {
    fc.assert(
      fc.property(anyManifest, (manifest) => {
        const once = normalizeManifest(manifest);
        expect(normalizeManifest(once)).toEqual(once);
        expect(canonicalJson(parsed(once) as unknown as Json)).toBe(canonicalJson(once as unknown as Json));
      }),
      { numRuns: 60 },
    );
  });

  test("fills in event-consumer defaults, and required wins over optional", () => {
    const manifest = parsed({
      ...worked,
      uses: {
        required: { other: { contract: "other@v1", events: { subscribe: ["Other.B", "Other.A", "Other.B"] } } },
        optional: { other: { contract: "other@v2" } },
      },
      eventConsumers: { all: { uses: { other: ["Other.B", "Other.A"] } } },
    });
    expect(manifest.eventConsumers).toEqual({
      all: { uses: { other: ["Other.A", "Other.B"] }, replay: "new", ordering: "strict", concurrency: 1 },
    });
    expect(manifest.uses).toEqual({
      required: { other: { contract: "other@v1", events: { subscribe: ["Other.A", "Other.B"] } } },
    });
  });

  test("an explicit empty capability list stays, other empty members go", () => {
    const rpc = { ...worked.rpc["Conformance.Read"], capabilities: { call: [] }, errors: [], docs: {} };
    const manifest = parsed({ ...worked, rpc: { "Conformance.Read": rpc }, events: {}, uses: { required: {} } });
    expect(manifest.rpc?.["Conformance.Read"]).toMatchObject({ capabilities: { call: [] } });
    expect(manifest.rpc?.["Conformance.Read"]).not.toHaveProperty("errors");
    expect(manifest).not.toHaveProperty("events");
    expect(manifest).not.toHaveProperty("uses");
  });
});
