import { type Manifest, MANIFEST_FORMAT } from "@trellis/contracts";
import { expect, test } from "vitest";
import { effectiveUnion } from "./effective-union.ts";

const manifest = (
  rpc: { readonly [name: string]: readonly string[] },
  schemas: Manifest["schemas"] = { Any: { type: "object" } },
): Manifest => ({
  format: MANIFEST_FORMAT,
  id: "orders@v1",
  displayName: "Orders",
  description: "Orders",
  kind: "service",
  schemas,
  rpc: Object.fromEntries(
    Object.entries(rpc).map(([name, call]) => [
      name,
      {
        version: "v1",
        subject: `rpc.v1.${name}`,
        input: { schema: "Any" },
        output: { schema: "Any" },
        capabilities: { call },
      },
    ]),
  ),
});
const offer = (deployment: string, acceptedAt: number, of: Manifest) => ({
  deployment,
  digest: JSON.stringify(of),
  manifest: of,
  acceptedAt,
});

test("nobody offers nothing", () => {
  expect(effectiveUnion([])).toBeUndefined();
});

test("what one deployment adds is there for callers", () => {
  const union = effectiveUnion([
    offer("eu", 1, manifest({ "Orders.Get": [] })),
    offer("us", 2, manifest({ "Orders.Cancel": [] })),
  ]);
  expect(Object.keys(union?.manifest.rpc ?? {}).sort()).toEqual(["Orders.Cancel", "Orders.Get"]);
  expect(union).toMatchObject({ deployments: ["us", "eu"], conflicting: [] });
});

test("an older offer that contradicts the newest is left out whole and named", () => {
  const newest = manifest({ "Orders.Get": ["orders::read"] });
  const other = manifest({ "Orders.Get": [], "Orders.Cancel": [] });
  const union = effectiveUnion([offer("old", 1, other), offer("new", 2, newest)]);
  expect(union).toMatchObject({ deployments: ["new"], conflicting: ["old"] });
  expect(Object.keys(union?.manifest.rpc ?? {})).toEqual(["Orders.Get"]);
});

test("the same schema name with another meaning is a contradiction", () => {
  const union = effectiveUnion([
    offer("old", 1, manifest({ "Orders.Get": [] }, { Any: { type: "string" } })),
    offer("new", 2, manifest({ "Orders.Get": [] })),
  ]);
  expect(union?.conflicting).toEqual(["old"]);
});
