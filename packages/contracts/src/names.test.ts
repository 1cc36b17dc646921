import { describe, expect, expectTypeOf, test } from "vitest";
import { capabilityKey, contractName, contractVersion, isName, surfacePath } from "./index.ts";
import type { NameKind, SurfaceGroup, SurfaceLeaf } from "./index.ts";

describe("names", () => {
  test("a logical name is a group and a leaf in code", () => {
    expect(surfacePath("Trellis.Surface.Status")).toEqual({ group: "trellis", leaf: "surfaceStatus" });
    expect(surfacePath("Orders.Get")).toEqual({ group: "orders", leaf: "get" });
    expect(surfacePath("Ping")).toEqual({ group: "ping", leaf: "ping" });
    expectTypeOf<SurfaceGroup<"Trellis.Surface.Status">>().toEqualTypeOf<"trellis">();
    expectTypeOf<SurfaceLeaf<"Trellis.Surface.Status">>().toEqualTypeOf<"surfaceStatus">();
    expectTypeOf<SurfaceLeaf<"Auth.A.B.C">>().toEqualTypeOf<"aBC">();
    expectTypeOf<SurfaceLeaf<"Ping">>().toEqualTypeOf<"ping">();
  });

  test("contract ids and capability keys", () => {
    expect([contractName("trellis.auth@v1"), contractVersion("trellis.auth@v1")]).toEqual(["trellis.auth", "v1"]);
    expect(capabilityKey("orders@v1", "read")).toBe("orders::read");
    expect(capabilityKey("orders@v1", "users::read")).toBe("users::read");
    expect(capabilityKey("orders@v1", "admin")).toBe("admin");
  });

  test.each<[NameKind, readonly string[], readonly string[]]>([
    [
      "contractId",
      ["orders@v1", "trellis.auth@v12", "my-app@v0"],
      ["orders", "Orders@v1", "orders@1", "orders@v01", "a..b@v1", "orders.>@v1", "orders@v1.x", "o r@v1"],
    ],
    [
      "surface",
      ["Orders.Get", "Ping", "A.B1.C"],
      ["orders.get", "Orders.", ".Get", "Orders.*", "Orders.>", "Orders.Get All", "Orders.control.get", ""],
    ],
    ["version", ["v1", "v10"], ["1", "v", "v01", "v1.0", "*"]],
    ["local", ["mail", "a-b_C1"], ["1a", "a.b", "a*", "", "a b", "__proto__"]],
    [
      "capability",
      ["orders::read", "trellis.auth::users.read", "service", "admin"],
      ["read", "orders:read", "::read", "orders::", "orders::a b"],
    ],
    ["bucket", ["orders-eu_cache", "A1"], ["a.b", "a>", "*", "", "-a", "a b"]],
    ["deployment", ["orders", "a-1"], ["Orders", "1a", "a.b", "a_b", "a".repeat(49)]],
  ])("%s", (kind, valid, invalid) => {
    for (const name of valid) expect([name, isName(kind, name)]).toEqual([name, true]);
    for (const name of invalid) expect([name, isName(kind, name)]).toEqual([name, false]);
  });
});
