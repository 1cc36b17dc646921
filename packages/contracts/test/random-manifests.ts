/** Random valid manifests, and the same manifest written in another order; for property tests only. */
import * as fc from "fast-check";
import { eventSubjectTemplate, feedSubject, operationSubject, rpcSubject } from "../src/subjects.ts";
import type { ContractKind, JsonSchema, Manifest } from "../src/manifest.ts";

const word = fc.constantFrom("Orders", "Users", "Billing", "Stock", "Audit");
const leaf = fc.constantFrom("Get", "List", "Find", "Place", "Live");
const surfaceName = fc.tuple(word, leaf).map((parts) => parts.join("."));
const local = fc.constantFrom("alpha", "beta", "gamma", "delta");
const version = fc.constantFrom("v1", "v2");

const schemas: { readonly [name: string]: JsonSchema } = {
  Empty: { type: "object", properties: {} },
  Item: {
    type: "object",
    properties: { id: { type: "string" }, size: { type: "integer", minimum: 0 } },
    required: ["id"],
  },
  Text: { type: "string", maxLength: 10 },
};
const ref = fc.constantFrom(...Object.keys(schemas)).map((schema) => ({ schema }));

function optional<T>(value: fc.Arbitrary<T>, key: string): fc.Arbitrary<{ readonly [key: string]: T } | object> {
  return fc.option(
    value.map((each) => ({ [key]: each })),
    { nil: {} },
  );
}

function surfaces<T>(
  make: (name: string) => fc.Arbitrary<T>,
  names: fc.Arbitrary<string> = surfaceName,
): fc.Arbitrary<{ [name: string]: T }> {
  return fc
    .uniqueArray(names, { maxLength: 3 })
    .chain((list) => fc.record(Object.fromEntries(list.map((name) => [name, make(name)]))));
}

/** A valid manifest of the contract `name`, which may use these others. */
export function manifestOf(
  id: string,
  used: readonly Manifest[] = [],
  kind: fc.Arbitrary<ContractKind> = fc.constant("service"),
): fc.Arbitrary<Manifest> {
  const prefix = id.split("@")[0] ?? "";
  const key = fc.constantFrom(`${prefix}::read`, `${prefix}::write`, "service", "admin");
  const keys = fc.uniqueArray(key, { maxLength: 2 });
  const rpc = (name: string) =>
    fc
      .tuple(
        version,
        ref,
        ref,
        optional(optional(keys, "call"), "capabilities"),
        optional(fc.constant([{ type: "Failed" }]), "errors"),
      )
      .map(([v, input, output, ...rest]) =>
        Object.assign({ version: v, subject: rpcSubject(name, v), input, output }, ...rest),
      );
  const operation = (name: string) =>
    fc
      .tuple(
        version,
        ref,
        ref,
        optional(
          fc
            .tuple(
              optional(keys, "call"),
              optional(keys, "observe"),
              optional(keys, "cancel"),
              optional(keys, "control"),
            )
            .map((parts) => Object.assign({}, ...parts)),
          "capabilities",
        ),
        optional(fc.constant({ poke: { input: { schema: "Text" } } }), "signals"),
        optional(fc.boolean(), "cancel"),
      )
      .map(([v, input, output, ...rest]) =>
        Object.assign({ version: v, subject: operationSubject(name, v), input, output }, ...rest),
      );
  const event = (name: string) =>
    fc
      .tuple(
        version,
        fc.constantFrom([], ["/id"], ["/id", "/size"]),
        optional(
          fc.tuple(optional(keys, "publish"), optional(keys, "subscribe")).map((parts) => Object.assign({}, ...parts)),
          "capabilities",
        ),
      )
      .map(([v, params, rest]) =>
        Object.assign(
          { version: v, subject: eventSubjectTemplate(name, v, params), event: { schema: "Item" } },
          params.length > 0 ? { params } : {},
          rest,
        ),
      );
  const feed = (name: string) =>
    fc
      .tuple(version, ref, ref, optional(optional(keys, "subscribe"), "capabilities"))
      .map(([v, input, output, rest]) =>
        Object.assign({ version: v, subject: feedSubject(name, v), input, event: output }, rest),
      );
  const uses = fc
    .tuple(
      ...used.map((other) =>
        fc.tuple(fc.constant(other), fc.constantFrom("required", "optional", "no"), fc.integer({ min: 0, max: 15 })),
      ),
    )
    .map((choices) => usesOf(choices));
  return fc
    .record({
      kind,
      rpc: surfaces(rpc),
      operations: surfaces(operation),
      events: surfaces(event),
      feeds: surfaces(feed),
      jobs: surfaces(() => fc.record({ payload: ref }), local),
      kv: surfaces(() => fc.record({ purpose: fc.constant("things"), schema: ref }), local),
      store: surfaces(() => fc.record({ purpose: fc.constant("files") }), local),
      uses,
    })
    .map(({ kv, store, uses: taken, ...rest }) => ({
      format: "trellis.contract.v1" as const,
      id,
      displayName: prefix,
      description: prefix,
      capabilities: {
        [`${prefix}::read`]: { displayName: "Read", description: "Read things" },
        [`${prefix}::write`]: { displayName: "Write", description: "Write things" },
      },
      schemas,
      errors: { Failed: { type: "Failed" } },
      ...rest,
      uses: taken,
      eventConsumers: consumersOf(taken, Object.keys(rest.events)),
      resources: { kv, store },
    }));
}

type Uses = {
  [level in "required" | "optional"]: { [alias: string]: { contract: string; events?: { subscribe: string[] } } };
};

function usesOf(choices: readonly (readonly [Manifest, string, number])[]): Uses {
  const uses: Uses = { required: {}, optional: {} };
  for (const [other, level, bits] of choices) {
    if (level !== "required" && level !== "optional") continue;
    const some = (map: object | undefined) => Object.keys(map ?? {}).filter((_, index) => ((bits >> index) & 1) === 1);
    const alias = other.id.split("@")[0]?.replaceAll(".", "-") ?? "other";
    uses[level][alias] = Object.assign({
      contract: other.id,
      rpc: { call: some(other.rpc) },
      operations: { call: some(other.operations) },
      events: { subscribe: some(other.events), publish: some(other.events) },
      feeds: { subscribe: some(other.feeds) },
    });
  }
  return uses;
}

function consumersOf(uses: Uses, own: readonly string[]): NonNullable<Manifest["eventConsumers"]> {
  const consumers: { [group: string]: NonNullable<Manifest["eventConsumers"]>[string] } = {};
  const defaults = { replay: "new", ordering: "strict", concurrency: 1 } as const;
  const [first] = own;
  if (first !== undefined) consumers.own = { self: [first], ...defaults };
  for (const [alias, { events }] of Object.entries(uses.required)) {
    const [event] = events?.subscribe ?? [];
    if (event !== undefined) consumers[`from-${alias}`] = { uses: { [alias]: [event] }, ...defaults };
  }
  return consumers;
}

/** A valid manifest. */
export const anyManifest: fc.Arbitrary<Manifest> = manifestOf("other.thing@v1").chain((other) =>
  manifestOf("shop@v1", [other]),
);

/** The same JSON with members and sets in another order. */
export function shuffled<T>(value: T, seed: number): T {
  return reorder(value, seed, "") as T;
}

const SETS = new Set(["call", "publish", "subscribe", "observe", "cancel", "control", "self", "errors"]);

function reorder(value: unknown, seed: number, name: string): unknown {
  if (Array.isArray(value)) return SETS.has(name) ? [...value, ...value].toReversed() : value;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, reorder(member, seed, key)] as const);
  return Object.fromEntries(
    seed % 2 === 0 ? entries.toReversed() : entries.sort(([a], [b]) => (a < b ? 1 : -1) * (seed % 3 === 0 ? 1 : -1)),
  );
}
