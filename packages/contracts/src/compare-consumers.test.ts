import { describe, expect, test } from "vitest";
import { compareManifests, parseManifest } from "./index.ts";
import type { Manifest } from "./index.ts";

const event = (subject: string) => ({ version: "v1", subject, event: { schema: "Any" } });

/** A contract with one group, and with whatever else its group is to be. */
function withGroup(group: object | undefined, uses: object = { shop: ["Shop.Sold"] }): Manifest {
  const result = parseManifest({
    format: "trellis.contract.v1",
    id: "orders@v1",
    displayName: "Orders",
    description: "Orders",
    kind: "service",
    schemas: { Any: { type: "object" } },
    events: {
      "Orders.Placed": event("events.v1.Orders.Placed"),
      "Orders.Sent": event("events.v1.Orders.Sent"),
    },
    uses: {
      required: {
        shop: { contract: "shop@v1", events: { subscribe: ["Shop.Sold"] } },
        store: { contract: "shop@v1", events: { subscribe: ["Shop.Sold"] } },
        other: { contract: "other@v1", events: { subscribe: ["Shop.Sold"] } },
      },
    },
    eventConsumers: group === undefined ? {} : { audit: { self: ["Orders.Placed", "Orders.Sent"], uses, ...group } },
  });
  if (!result.ok) throw new Error(JSON.stringify(result.error.problems));
  return result.value.manifest;
}

const base = withGroup({});

describe("a group that consumes events", () => {
  test.each<[string, Manifest, Manifest, string, string]>([
    ["is removed", base, withGroup(undefined), "/eventConsumers/audit", "handled by nobody"],
    [
      "takes an event less",
      base,
      withGroup({ self: ["Orders.Placed"] }),
      "/eventConsumers/audit/events",
      "no longer takes its own Orders.Sent; what waits of it is skipped",
    ],
    [
      "takes an event of another contract instead",
      base,
      withGroup({}, { other: ["Shop.Sold"] }),
      "/eventConsumers/audit/events",
      "no longer takes Shop.Sold of shop@v1",
    ],
    ["begins elsewhere", base, withGroup({ replay: "all" }), "/eventConsumers/audit/replay", "the oldest event"],
    ["gives up its order", base, withGroup({ concurrency: 8 }), "/eventConsumers/audit/concurrency", "in their order"],
  ])("%s: breaking", (_, before, after, path, message) => {
    const { verdict, changes } = compareManifests(before, after);
    expect(verdict).toBe("breaking");
    expect(changes.find((change) => change.path === path && change.effect === "breaking")).toMatchObject({
      effect: "breaking",
      breaks: ["the service"],
      message: expect.stringContaining(message),
    });
  });

  test.each<[string, Manifest, Manifest, string]>([
    ["is added", withGroup(undefined), base, "is new"],
    ["takes an event more", withGroup({ self: ["Orders.Placed"] }), base, "also takes its own Orders.Sent"],
    ["is given its order back", withGroup({ concurrency: 8 }), base, "1 at a time instead of 8"],
    ["tries more often", base, withGroup({ maxDeliver: 20 }), "tries again differently"],
  ])("%s: compatible", (_, before, after, message) => {
    const { verdict, changes } = compareManifests(before, after);
    expect(verdict).toBe("compatible");
    expect(changes.map((change) => change.message).join("; ")).toContain(message);
  });

  test("an alias is only a name", () => {
    expect(compareManifests(base, withGroup({}, { store: ["Shop.Sold"] })).changes).toEqual([]);
  });
});
