import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS, parseManifest } from "./index.ts";
import { anyManifest } from "../test/random-manifests.ts";

const any = { schema: "Any" };
const minimal = {
  format: "trellis.contract.v1",
  id: "orders@v1",
  displayName: "Orders",
  description: "Orders",
  kind: "service",
};
const base = {
  ...minimal,
  capabilities: { "orders::read": { displayName: "Read", description: "Read" } },
  schemas: {
    Any: true,
    Order: { type: "object", properties: { status: { type: "string" }, lines: { type: "array" } } },
  },
};
const rpc = { version: "v1", subject: "rpc.v1.Orders.Get", input: any, output: any };
const event = {
  version: "v1",
  subject: "events.v1.Orders.Placed.{/status}",
  params: ["/status"],
  event: { schema: "Order" },
};

function problems(input: unknown): readonly { path: string; message: string; fix?: string }[] {
  const result = parseManifest(input);
  return result.ok ? [] : result.error.problems;
}

describe("what a queue declares beyond its payload", () => {
  const withQueue = (queue: object) =>
    parseManifest({
      format: "trellis.contract.v1",
      id: "mail@v1",
      displayName: "Mail",
      description: "Mail.",
      kind: "service",
      schemas: { Letter: { type: "object", properties: { to: { type: "string" } }, required: ["to"] } },
      jobs: { letters: { payload: { schema: "Letter" }, ...queue } },
    });
  const nightly = { cron: "30 2 * * *", timeZone: "Europe/Berlin", payload: { to: "all" } };

  test("is kept as it was written", () => {
    const queue = {
      priorities: true,
      rate: { limit: 5, perMs: 1_000 },
      perGroup: { concurrency: 1 },
      schedules: { nightly: { ...nightly, overlap: "skip", catchUp: "all" } },
    };
    const parsed = withQueue(queue);
    expect(parsed.ok && parsed.value.manifest.jobs?.["letters"]).toEqual({ payload: { schema: "Letter" }, ...queue });
  });

  test.each([
    ["a payload the queue would refuse", { schedules: { nightly: { ...nightly, payload: {} } } }, "/payload"],
    ["times that are none", { schedules: { nightly: { ...nightly, cron: "61 * * * *" } } }, "/cron"],
    ["a place without a clock", { schedules: { nightly: { ...nightly, timeZone: "Mars/Olympus" } } }, "/timeZone"],
    ["a policy nobody knows", { schedules: { nightly: { ...nightly, overlap: "sometimes" } } }, "/overlap"],
    ["a rate of nothing", { rate: { limit: 0, perMs: 1_000 } }, "/rate/limit"],
    ["a rate no mark could hold", { rate: { limit: 1_001, perMs: 1_000 } }, "/rate/limit"],
    ["priorities that are off", { priorities: false }, "/priorities"],
    [
      "more schedules than a control plane looks after",
      { schedules: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`s${n}`, nightly])) },
      "/schedules",
    ],
  ])("refuses %s", (_, queue, at) => {
    const parsed = withQueue(queue);
    expect(parsed.ok).toBe(false);
    expect(!parsed.ok && parsed.error.problems.some(({ path }) => path.endsWith(at))).toBe(true);
  });
});

describe("parseManifest", () => {
  test("accepts what is valid, as text and as a value", () => {
    expect(parseManifest(minimal)).toMatchObject({ ok: true, value: { warnings: [], manifest: minimal } });
    expect(parseManifest(JSON.stringify(minimal))).toMatchObject({ ok: true });
    fc.assert(
      fc.property(anyManifest, (manifest) => {
        expect(problems(manifest)).toEqual([]);
        expect(problems(JSON.stringify(manifest))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test("drops unknown members at every level, and says so", () => {
    const result = parseManifest({
      ...base,
      later: 1,
      rpc: { "Orders.Get": { ...rpc, retries: 3, input: { schema: "Any", more: 1 } } },
      resources: { streams: { all: {} } },
    });
    if (!result.ok) throw new Error(result.error.message);
    expect(result.value.warnings.map(({ path }) => path).sort()).toEqual([
      "/later",
      "/resources/streams",
      "/rpc/Orders.Get/input/more",
      "/rpc/Orders.Get/retries",
    ]);
    expect(result.value.warnings.find(({ path }) => path === "/resources/streams")?.fix).toContain(
      "events, jobs or a KV bucket",
    );
    expect(result.value.manifest.rpc).toEqual({ "Orders.Get": rpc });
    expect(result.value.manifest).not.toHaveProperty("later");
    expect(result.value.manifest).not.toHaveProperty("resources");
  });

  test("reports every problem at once, with place and fix", () => {
    const result = parseManifest({
      ...base,
      id: "Orders",
      kind: "cli",
      rpc: { "orders.get": { ...rpc, version: 1, output: undefined } },
    });
    expect(result.ok).toBe(false);
    if (result.ok) return;
    expect(result.error.code).toBe("manifest_invalid");
    expect(result.error.problems.map(({ path }) => path).sort()).toEqual([
      "/id",
      "/kind",
      "/rpc/orders.get",
      "/rpc/orders.get/output",
      "/rpc/orders.get/version",
    ]);
    expect(result.error.problems.find(({ path }) => path === "/kind")?.fix).toContain("agent");
    expect(result.error.message).toContain("(and 4 more)");
  });

  test.each<[string, object, string, string]>([
    [
      "a schema that is not there",
      { rpc: { "Orders.Get": { ...rpc, input: { schema: "Nope" } } } },
      "/rpc/Orders.Get/input/schema",
      "no schema Nope",
    ],
    [
      "a state version's schema",
      { kind: "app", state: { a: { kind: "map", schema: any, acceptedVersions: { v0: { schema: "Nope" } } } } },
      "/state/a/acceptedVersions/v0/schema",
      "no schema",
    ],
    ["an exported schema", { exports: { schemas: ["Nope"] } }, "/exports/schemas/0", "no schema"],
    [
      "a subject of its own",
      { rpc: { "Orders.Get": { ...rpc, subject: "rpc.v1.Users.Get" } } },
      "/rpc/Orders.Get/subject",
      "not the one",
    ],
    [
      "a wildcard subject",
      { rpc: { "Orders.Get": { ...rpc, subject: "rpc.v1.>" } } },
      "/rpc/Orders.Get/subject",
      "not the one",
    ],
    [
      "a parameter that leads nowhere",
      { events: { "Orders.Placed": { ...event, subject: "events.v1.Orders.Placed.{/stat}", params: ["/stat"] } } },
      "/events/Orders.Placed/params/0",
      "leads nowhere",
    ],
    [
      "a parameter that is a list",
      { events: { "Orders.Placed": { ...event, subject: "events.v1.Orders.Placed.{/lines}", params: ["/lines"] } } },
      "/events/Orders.Placed/params/0",
      "object or a list",
    ],
    [
      "a parameter with a wildcard",
      { events: { "Orders.Placed": { ...event, params: ["/*"] } } },
      "/events/Orders.Placed/params/0",
      "JSON pointer",
    ],
    [
      "an undeclared error",
      { rpc: { "Orders.Get": { ...rpc, errors: [{ type: "Gone" }] } } },
      "/rpc/Orders.Get/errors/0/type",
      "Gone is not declared",
    ],
    ["a built-in error", { errors: { AuthError: { type: "AuthError" } } }, "/errors/AuthError", "built in"],
    [
      "a foreign capability declared",
      { capabilities: { "users::read": { displayName: "x", description: "x" } } },
      "/capabilities/users::read",
      "does not belong",
    ],
    [
      "a reserved capability declared",
      { capabilities: { admin: { displayName: "x", description: "x" } } },
      "/capabilities/admin",
      "reserved",
    ],
    [
      "an undeclared capability",
      { rpc: { "Orders.Get": { ...rpc, capabilities: { call: ["orders::write"] } } } },
      "/rpc/Orders.Get/capabilities/call/0",
      "not declared",
    ],
    [
      "a capability of a contract it does not use",
      { rpc: { "Orders.Get": { ...rpc, capabilities: { call: ["users::read"] } } } },
      "/rpc/Orders.Get/capabilities/call/0",
      "not declared",
    ],
    ["flat uses", { uses: { users: { contract: "users@v1" } } }, "/uses/users", "directly under uses"],
    ["using itself", { uses: { required: { me: { contract: "orders@v1" } } } }, "/uses/required/me/contract", "itself"],
    [
      "a consumer of an unknown alias",
      { eventConsumers: { a: { uses: { users: ["Users.Gone"] } } } },
      "/eventConsumers/a/uses/users",
      "no alias",
    ],
    [
      "a consumer of an event the alias does not subscribe",
      {
        uses: { required: { users: { contract: "users@v1", events: { subscribe: ["Users.Made"] } } } },
        eventConsumers: { a: { uses: { users: ["Users.Gone"] } } },
      },
      "/eventConsumers/a/uses/users/0",
      "not in the subscriptions",
    ],
    [
      "a consumer of an event it does not own",
      { eventConsumers: { a: { self: ["Orders.Gone"] } } },
      "/eventConsumers/a/self/0",
      "no event",
    ],
    ["a consumer of nothing", { eventConsumers: { a: {} } }, "/eventConsumers/a", "no event"],
    [
      "a transfer into no store",
      {
        operations: {
          "Orders.Put": {
            version: "v1",
            subject: "operations.v1.Orders.Put",
            input: any,
            output: any,
            transfer: { direction: "send", store: "files", key: "k" },
          },
        },
      },
      "/operations/Orders.Put/transfer/store",
      "no store",
    ],
    [
      "two names that are one in code",
      {
        rpc: {
          "Orders.GetAll": { ...rpc, subject: "rpc.v1.Orders.GetAll" },
          "Orders.Get.All": { ...rpc, subject: "rpc.v1.Orders.Get.All" },
        },
      },
      "/rpc/Orders.Get.All",
      "both orders.getAll",
    ],
    [
      "a name that makes a promise",
      { rpc: { "Orders.Then": { ...rpc, subject: "rpc.v1.Orders.Then" } } },
      "/rpc/Orders.Then",
      "reserved",
    ],
    [
      "colliding subjects",
      {
        events: {
          Orders: {
            version: "v1",
            subject: "events.v1.Orders.{/status}",
            params: ["/status"],
            event: { schema: "Order" },
          },
          "Orders.Placed": { version: "v1", subject: "events.v1.Orders.Placed", event: any },
        },
      },
      "/events/Orders.Placed",
      "collides",
    ],
    [
      "a reference in a schema",
      { schemas: { Any: { $ref: "https://example.org/x" } } },
      "/schemas/Any/$ref",
      "not allowed",
    ],
    [
      "a broken schema",
      { schemas: { Any: { properties: { a: { type: "strin" } } } } },
      "/schemas/Any/properties/a/type",
      "must be one",
    ],
    ["a reserved alias", { jobs: { constructor: { payload: any } } }, "/jobs/constructor", "reserved"],
  ])("refuses %s", (_, members, path, message) => {
    const found = problems({ ...base, ...members });
    expect(found).toContainEqual(expect.objectContaining({ path, message: expect.stringContaining(message) }));
  });

  test("capabilities of used contracts and reserved ones may be required", () => {
    const call = ["admin", "orders::read", "service", "users::read"];
    expect(
      problems({
        ...base,
        uses: { optional: { users: { contract: "users@v1" } } },
        rpc: { "Orders.Get": { ...rpc, capabilities: { call } } },
      }),
    ).toEqual([]);
  });

  test("prototypes stay what they are", () => {
    const text = `{"format":"trellis.contract.v1","__proto__":{"polluted":true},"id":"orders@v1"}`;
    expect(problems(text)).toEqual([expect.objectContaining({ message: expect.stringContaining("__proto__") })]);
    expect(
      problems(JSON.stringify(base).replace('"Any":true', '"Any":true,"X":{"const":{"__proto__":{"polluted":1}}}')),
    ).toHaveLength(1);
    for (const key of ["constructor", "toString", "hasOwnProperty"])
      expect(problems({ ...base, [key]: {} })).toEqual([]);
    expect("polluted" in {}).toBe(false);
  });

  test("only JSON is accepted", () => {
    expect(problems({ ...base, displayName: "\ud800" })).toHaveLength(1);
    expect(problems({ ...base, schemas: { Any: { const: -0 } } })).toHaveLength(1);
    expect(problems({ ...base, schemas: { Any: { const: NaN } } })).toHaveLength(1);
    expect(problems({ ...base, schemas: { Any: { const: () => 1 } } })).toHaveLength(1);
    for (const input of [undefined, null, 1, "", "{", [], "[]", "null", Symbol("x"), new Date(0)])
      expect(problems(input).length).toBeGreaterThan(0);
  });

  test("anything at all is answered, never thrown", () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, maxDepth: 4 }),
        fc.constantFrom("rpc", "schemas", "uses", "events", "eventConsumers", "resources", "capabilities", "jobs"),
        (value, member) => {
          parseManifest(value);
          parseManifest({ ...base, [member]: value });
        },
      ),
      { numRuns: 500 },
    );
  });

  describe("is bounded", () => {
    const quickly = (input: unknown, message: string): void => {
      const started = performance.now();
      const found = problems(input);
      expect(performance.now() - started).toBeLessThan(10_000);
      expect(found[0]?.message).toContain(message);
      expect(found.length).toBeLessThanOrEqual(LIMITS.problems.value);
    };

    test("5 MB of text and 5 MB of value", () => {
      quickly(JSON.stringify({ ...base, description: "x".repeat(5_000_000) }), "larger than 512 KiB");
      quickly({ ...base, description: "x".repeat(5_000_000) }, "larger than 512 KiB");
      quickly({ ...base, description: "é".repeat(300_000) }, "larger than 512 KiB");
      quickly(
        { ...base, schemas: Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`S${index}`, true])) },
        "than",
      );
    });

    test("depth 10 000 and cycles", () => {
      quickly(`${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`, "nested deeper");
      let deep: unknown = {};
      for (let level = 0; level < 10_000; level += 1) deep = { deep };
      quickly({ ...base, schemas: { Any: deep } }, "nested deeper");
      const cycle: { [key: string]: unknown } = { ...base };
      cycle.again = cycle;
      quickly(cycle, "nested deeper");
    });

    test("a schema bomb", () => {
      let bomb: unknown = { type: "string" };
      for (let level = 0; level < 14; level += 1) bomb = { anyOf: [bomb, { type: "null" }] };
      quickly({ ...base, schemas: { Any: bomb } }, "alternatives inside alternatives");
      quickly({ ...base, schemas: { Any: { enum: Array.from({ length: 99_990 }, () => 0) } } }, "than");
      quickly({ ...base, schemas: { Any: { allOf: Array.from({ length: 6_000 }, () => ({})) } } }, "parts");
      quickly({ ...base, schemas: { Any: { pattern: "(((a{99}){99}){99}){99}" } } }, "steps");
      quickly(
        {
          ...base,
          schemas: Object.fromEntries(
            Array.from({ length: 900 }, (_, index) => [
              `S${index}`,
              { anyOf: Array.from({ length: 20 }, () => ({ pattern: "a{4000}" })) },
            ]),
          ),
        },
        "patterns add up",
      );
    });

    test("many surfaces, long lists, long names", () => {
      quickly(
        {
          ...base,
          rpc: Object.fromEntries(
            Array.from({ length: 1_001 }, (_, index) => [`R${index}.Get`, { ...rpc, subject: `rpc.v1.R${index}.Get` }]),
          ),
        },
        "at most 1000",
      );
      quickly(
        {
          ...base,
          rpc: {
            "Orders.Get": {
              ...rpc,
              capabilities: { call: Array.from({ length: 501 }, (_, index) => `orders::c${index}`) },
            },
          },
        },
        "at most 500",
      );
      quickly(
        { ...base, rpc: Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`bad ${index}`, 1])) },
        "not a valid name",
      );
      quickly({ ...base, id: `${"a".repeat(100_000)}!` }, "lower-case words");
    });
  });
});
