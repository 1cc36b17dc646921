import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { derivePermissions, NO_BINDINGS, parseManifest } from "./index.ts";
import type { Bindings, DeriveInput, Manifest, Permissions } from "./index.ts";
import { manifestOf } from "../test/random-manifests.ts";

const inboxPrefix = "_INBOX.A6EHv_POEL4dcN0Y";

const orders: Manifest = parsed({
  format: "trellis.contract.v1",
  id: "orders@v1",
  displayName: "Orders",
  description: "Orders",
  kind: "service",
  capabilities: {
    "orders::read": { displayName: "Read", description: "Read" },
    "orders::write": { displayName: "Write", description: "Write" },
  },
  schemas: { Any: true, Order: { type: "object", properties: { status: { type: "string" } } } },
  rpc: {
    "Orders.Get": {
      version: "v1",
      subject: "rpc.v1.Orders.Get",
      input: { schema: "Any" },
      output: { schema: "Order" },
      capabilities: { call: ["orders::read"] },
    },
    "Orders.Ping": {
      version: "v1",
      subject: "rpc.v1.Orders.Ping",
      input: { schema: "Any" },
      output: { schema: "Any" },
      capabilities: { call: [] },
    },
    "Orders.Export": {
      version: "v1",
      subject: "rpc.v1.Orders.Export",
      input: { schema: "Any" },
      output: { schema: "Any" },
      transfer: { direction: "receive" },
    },
  },
  operations: {
    "Orders.Refund": {
      version: "v2",
      subject: "operations.v2.Orders.Refund",
      input: { schema: "Any" },
      output: { schema: "Any" },
      capabilities: { call: ["orders::write"], observe: ["orders::read"], cancel: ["admin"] },
      signals: { hurry: { input: { schema: "Any" } } },
    },
  },
  events: {
    "Orders.Placed": {
      version: "v1",
      subject: "events.v1.Orders.Placed.{/status}",
      params: ["/status"],
      event: { schema: "Order" },
      capabilities: { subscribe: ["orders::read"], publish: ["service"] },
    },
  },
  feeds: {
    "Orders.Live": {
      version: "v1",
      subject: "feeds.v1.Orders.Live",
      input: { schema: "Any" },
      event: { schema: "Order" },
    },
  },
  jobs: { mail: { payload: { schema: "Any" } } },
  eventConsumers: { own: { self: ["Orders.Placed"] } },
  resources: { kv: { cache: { purpose: "cache", schema: { schema: "Any" } } }, store: { files: { purpose: "files" } } },
});

const shop: Manifest = parsed({
  format: "trellis.contract.v1",
  id: "shop@v1",
  displayName: "Shop",
  description: "Shop",
  kind: "app",
  uses: {
    required: {
      orders: {
        contract: "orders@v1",
        rpc: { call: ["Orders.Get", "Orders.Ping", "Orders.Export", "Orders.Missing"] },
        operations: { call: ["Orders.Refund"] },
        events: { subscribe: ["Orders.Placed"], publish: ["Orders.Placed"] },
        feeds: { subscribe: ["Orders.Live"] },
      },
    },
  },
});

const bindings: Bindings = {
  service: "orders-eu",
  kv: { cache: { bucket: "orders-eu_cache", history: 1, ttlMs: 0 } },
  store: { files: { bucket: "orders-eu_files" } },
  jobs: { mail: { stream: "JOBS_WORK", consumer: "orders-eu_mail" } },
  eventConsumers: { own: { stream: "EVENTS", consumer: "orders-eu_own" } },
};

function parsed(input: unknown): Manifest {
  const result = parseManifest(input);
  if (!result.ok) throw new Error(JSON.stringify(result.error.problems));
  return result.value.manifest;
}

function derive(input: Partial<DeriveInput>): { publish: string[]; subscribe: string[]; permissions: Permissions } {
  const permissions = derivePermissions({
    manifest: shop,
    uses: { orders },
    capabilities: new Set(),
    inboxPrefix,
    bindings: NO_BINDINGS,
    ...input,
  });
  return {
    publish: permissions.publish.map(({ subject }) => subject).sort(),
    subscribe: permissions.subscribe
      .map(({ subject, queue }) => (queue === undefined ? subject : `${subject} ${queue}`))
      .sort(),
    permissions,
  };
}

describe("derivePermissions for a caller", () => {
  test("without capabilities: what asks for none", () => {
    expect(derive({})).toMatchObject({
      publish: [
        "feeds.v1.Orders.Live",
        "feeds.v1.Orders.Live.control.stream.*.*.*",
        "rpc.v1.Orders.Export",
        "rpc.v1.Orders.Ping",
      ],
      subscribe: [`${inboxPrefix}.>`],
    });
  });

  test("observing without starting", () => {
    const { publish, subscribe } = derive({ capabilities: new Set(["orders::read"]) });
    expect(publish.filter((subject) => subject.startsWith("operations"))).toEqual([
      "operations.v2.Orders.Refund.control.get.*",
      "operations.v2.Orders.Refund.control.signal.*",
      "operations.v2.Orders.Refund.control.stream.*.*.*",
      "operations.v2.Orders.Refund.control.wait.*",
      "operations.v2.Orders.Refund.control.watch.*",
    ]);
    expect(publish).toContain("rpc.v1.Orders.Get");
    expect(subscribe).toEqual([`${inboxPrefix}.>`, "events.v1.Orders.Placed.*"]);
  });

  test("starting, cancelling and publishing ask for their own capabilities", () => {
    const { publish } = derive({ capabilities: new Set(["orders::write", "admin", "service"]) });
    expect(publish).toContain("operations.v2.Orders.Refund");
    expect(publish).toContain("operations.v2.Orders.Refund.control.start.*");
    expect(publish).toContain("operations.v2.Orders.Refund.control.cancel.*");
    expect(publish).toContain("events.v1.Orders.Placed.*");
    expect(publish).not.toContain("operations.v2.Orders.Refund.control.watch.*");
    expect(publish).not.toContain("rpc.v1.Orders.Get");
  });

  test("an alias that is not granted, or resolved to another contract, gives nothing", () => {
    for (const uses of [{}, { orders: { ...orders, id: "orders@v2" } }]) {
      const { publish, subscribe } = derive({ uses, capabilities: new Set(["orders::read", "admin"]) });
      expect([publish, subscribe]).toEqual([[], [`${inboxPrefix}.>`]]);
    }
  });

  test("transfers are granted towards named deployments only", () => {
    const { publish } = derive({ serviceNames: { orders: ["orders-eu"] } });
    expect(publish.filter((subject) => subject.startsWith("transfer"))).toEqual([
      "transfer.v1.control.orders-eu.*.*",
      "transfer.v1.download.orders-eu.*",
    ]);
  });
});

describe("derivePermissions for a service", () => {
  test("exactly what its contract and bindings say", () => {
    const { publish, subscribe } = derive({ manifest: orders, uses: {}, bindings });
    expect(publish).toEqual(
      [
        "_INBOX.*.r.*.*",
        "_INBOX.*.s.>",
        "events.v1.Orders.Placed.*",
        "trellis.dead.orders-eu.own.*",
        "$KV.orders-eu_cache.>",
        "$JS.API.DIRECT.GET.KV_orders-eu_cache",
        "$JS.API.DIRECT.GET.KV_orders-eu_cache.$KV.orders-eu_cache.>",
        "trellis.leader.KV_orders-eu_cache",
        "$O.orders-eu_files.C.>",
        "$O.orders-eu_files.M.>",
        "$JS.API.DIRECT.GET.OBJ_orders-eu_files",
        "$JS.API.DIRECT.GET.OBJ_orders-eu_files.$O.orders-eu_files.>",
        "trellis.leader.OBJ_orders-eu_files",
        "trellis.jobs.orders-eu.mail.*.*",
        "$JS.API.DIRECT.GET.JOBS.trellis.jobs.orders-eu.mail.*.*",
        "trellis.jobs.orders-eu.mail.mark.*.*",
        "$JS.API.DIRECT.GET.JOBS_MARKS.trellis.jobs.orders-eu.mail.mark.*.*",
        "$JS.API.CONSUMER.MSG.NEXT.JOBS_WORK.orders-eu_mail",
        "$JS.ACK.JOBS_WORK.orders-eu_mail.>",
        "$JS.ACK._.*.JOBS_WORK.orders-eu_mail.>",
        "$JS.API.CONSUMER.MSG.NEXT.EVENTS.orders-eu_own",
        "$JS.ACK.EVENTS.orders-eu_own.>",
        "$JS.ACK._.*.EVENTS.orders-eu_own.>",
      ].sort(),
    );
    expect(subscribe).toEqual(
      [
        `${inboxPrefix}.>`,
        "trellis.auth.v1.changes",
        "$SRV.PING",
        "$SRV.PING.orders-eu",
        "$SRV.PING.orders-eu.*",
        "$SRV.INFO",
        "$SRV.INFO.orders-eu",
        "$SRV.INFO.orders-eu.*",
        "$SRV.STATS",
        "$SRV.STATS.orders-eu",
        "$SRV.STATS.orders-eu.*",
        "rpc.v1.Orders.Get orders@v1",
        "rpc.v1.Orders.Ping orders@v1",
        "rpc.v1.Orders.Export orders@v1",
        "transfer.v1.download.orders-eu.*",
        "transfer.v1.control.orders-eu.*.*",
        "operations.v2.Orders.Refund orders@v1",
        "operations.v2.Orders.Refund.control.run orders@v1",
        "operations.v2.Orders.Refund.control.start.orders-eu orders@v1",
        "operations.v2.Orders.Refund.control.run.orders-eu orders@v1",
        "operations.v2.Orders.Refund.control.get.orders-eu orders@v1",
        "operations.v2.Orders.Refund.control.wait.orders-eu orders@v1",
        "operations.v2.Orders.Refund.control.watch.orders-eu orders@v1",
        "operations.v2.Orders.Refund.control.cancel.orders-eu orders@v1",
        "operations.v2.Orders.Refund.control.signal.orders-eu orders@v1",
        "operations.v2.Orders.Refund.control.stream.orders-eu.*.*",
        "feeds.v1.Orders.Live orders@v1",
        "feeds.v1.Orders.Live.control.stream.orders-eu.*.*",
        "kvr.orders-eu_cache.>",
        "trellis.jobs.orders-eu.mail.*.*",
      ].sort(),
    );
  });

  test("a queue with priorities takes work from three consumers", () => {
    const priorities = { high: "orders-eu__high_mail", low: "orders-eu__low_mail" };
    const ranked = { ...bindings, jobs: { mail: { stream: "JOBS_WORK", consumer: "orders-eu_mail", priorities } } };
    const { publish } = derive({ manifest: orders, uses: {}, bindings: ranked });
    for (const consumer of ["orders-eu_mail", ...Object.values(priorities)])
      expect(publish).toContain(`$JS.API.CONSUMER.MSG.NEXT.JOBS_WORK.${consumer}`);
  });

  test("bindings of what the contract does not declare give nothing", () => {
    const bare = { ...orders, jobs: {}, eventConsumers: {}, resources: {} };
    const { publish } = derive({ manifest: bare, uses: {}, bindings });
    expect(publish).toEqual(["_INBOX.*.r.*.*", "_INBOX.*.s.>", "events.v1.Orders.Placed.*"]);
  });

  test("another kind of participant serves nothing", () => {
    const { publish, subscribe } = derive({ manifest: { ...orders, kind: "device" }, uses: {}, bindings: NO_BINDINGS });
    expect(publish).toEqual(["events.v1.Orders.Placed.*"]);
    expect(subscribe).toEqual([`${inboxPrefix}.>`]);
  });

  test.each(["app", "agent"] as const)("the contract of an %s, which nobody accepts, owns no events either", (kind) => {
    const { publish, subscribe } = derive({ manifest: { ...orders, kind }, uses: {}, bindings: NO_BINDINGS });
    expect(publish).toEqual([]);
    expect(subscribe).toEqual([`${inboxPrefix}.>`]);
  });

  test("a consumer group is closed when one of its events needs a capability that is not held", () => {
    const mailer = parsed({
      ...orders,
      id: "mailer@v1",
      capabilities: {},
      rpc: {},
      operations: {},
      events: {},
      feeds: {},
      uses: { required: { orders: { contract: "orders@v1", events: { subscribe: ["Orders.Placed"] } } } },
      eventConsumers: { own: { uses: { orders: ["Orders.Placed"] } } },
    });
    const next = "$JS.API.CONSUMER.MSG.NEXT.EVENTS.orders-eu_own";
    expect(derive({ manifest: mailer, bindings }).publish).not.toContain(next);
    expect(derive({ manifest: mailer, bindings, capabilities: new Set(["orders::read"]) }).publish).toContain(next);
  });

  test("a consumer group is closed while a required use is not granted, and goes on without an optional one", () => {
    const own = { ...orders, id: "mailer@v1", capabilities: {}, rpc: {}, operations: {}, feeds: {} };
    const uses = { orders: { contract: "orders@v1", events: { subscribe: ["Orders.Placed"] } } };
    const group = { eventConsumers: { own: { self: ["Orders.Placed"], uses: { orders: ["Orders.Placed"] } } } };
    const next = "$JS.API.CONSUMER.MSG.NEXT.EVENTS.orders-eu_own";
    const ofNothing = (declared: object) =>
      derive({ manifest: parsed({ ...own, ...group, uses: declared }), bindings, uses: {} }).publish;
    expect(ofNothing({ required: uses })).not.toContain(next);
    expect(ofNothing({ optional: uses })).toContain(next);
  });

  test.each<[string, Partial<DeriveInput>]>([
    ["a bucket", { bindings: { ...bindings, kv: { cache: { bucket: "orders.>", history: 1, ttlMs: 0 } } } }],
    ["a store", { bindings: { ...bindings, store: { files: { bucket: "*" } } } }],
    ["a consumer", { bindings: { ...bindings, jobs: { mail: { stream: "JOBS_WORK", consumer: ">" } } } }],
    ["a stream", { bindings: { ...bindings, eventConsumers: { own: { stream: "*", consumer: "x" } } } }],
    ["a deployment", { bindings: { ...bindings, service: "a.b" } }],
    ["a used deployment", { serviceNames: { orders: ["*"] } }],
    ["an inbox", { inboxPrefix: "_INBOX.*" }],
    [
      "a subject",
      {
        manifest: {
          ...orders,
          rpc: { "Orders.Get": { version: "v1", subject: ">", input: { schema: "Any" }, output: { schema: "Any" } } },
        },
      },
    ],
    [
      "a used subject",
      {
        uses: {
          orders: {
            ...orders,
            feeds: {
              ">": { version: "v1", subject: "feeds.v1.>", input: { schema: "Any" }, event: { schema: "Any" } },
            },
          },
        },
      },
    ],
  ])("%s that would widen a subject is refused", (_, input) => {
    expect(() => derive({ manifest: orders, bindings, ...input })).toThrow(RangeError);
  });
});

describe("for random contracts", () => {
  const keys = ["a.b::read", "a.b::write", "shop::read", "shop::write", "service", "admin"];
  const scenario = fc
    .tuple(
      manifestOf("a.b@v1"),
      fc.constantFrom("service" as const, "app" as const, "agent" as const, "device" as const),
    )
    .chain(([other, kind]) =>
      fc.record({
        other: fc.constant(other),
        manifest: manifestOf("shop@v1", [other], fc.constant(kind)),
        capabilities: fc.uniqueArray(fc.constantFrom(...keys)),
        granted: fc.boolean(),
      }),
    );

  function bindingsFor(manifest: Manifest): Bindings {
    const named = <T>(map: object | undefined, make: (name: string) => T) =>
      Object.fromEntries(Object.keys(map ?? {}).map((name) => [name, make(name)]));
    return {
      service: "shop-1",
      kv: named(manifest.resources?.kv, (alias) => ({ bucket: `shop-1_${alias}`, history: 1, ttlMs: 0 })),
      store: named(manifest.resources?.store, (alias) => ({ bucket: `shop-1_${alias}` })),
      jobs: named(manifest.jobs, (queue) => ({ stream: "JOBS_WORK", consumer: `shop-1_${queue}` })),
      eventConsumers: named(manifest.eventConsumers, (group) => ({ stream: "EVENTS", consumer: `shop-1_${group}` })),
      // Also where the contract has none: then they give nothing.
      operations: { stream: "OPS_shop-1", work: { stream: "OPS_WORK_shop-1", consumer: "shop-1" } },
    };
  }

  test("nothing outside the contract, ever", () => {
    fc.assert(
      fc.property(scenario, ({ other, manifest, capabilities, granted }) => {
        const permissions = derivePermissions({
          manifest,
          uses: granted ? { "a-b": other } : {},
          capabilities: new Set(capabilities),
          inboxPrefix,
          bindings: bindingsFor(manifest),
        });
        const allowed = expectation(manifest, granted ? other : undefined, new Set(capabilities));
        for (const { subject, queue, reason } of permissions.publish) {
          expect(queue).toBeUndefined();
          expect(
            allowed.publish.some((shape) => shape.test(subject)),
            `publish ${subject}`,
          ).toBe(true);
          expect(reason).toContain(manifest.id);
        }
        for (const { subject, queue, reason } of permissions.subscribe) {
          expect(
            allowed.subscribe.some((shape) => shape.test(queue === undefined ? subject : `${subject} ${queue}`)),
            `subscribe ${subject} ${queue}`,
          ).toBe(true);
          expect(reason.length).toBeGreaterThan(20);
        }
        // And everything in it: the shapes that must be there are.
        for (const subject of allowed.must)
          expect(
            permissions.publish.map((rule) => rule.subject),
            `must publish ${subject}`,
          ).toContain(subject);
      }),
      { numRuns: 300 },
    );
  });

  test("more capabilities never take anything away, and none are needed for what asks for none", () => {
    fc.assert(
      fc.property(scenario, ({ other, manifest, capabilities }) => {
        const base = { manifest, uses: { "a-b": other }, inboxPrefix, bindings: bindingsFor(manifest) };
        const few = derivePermissions({ ...base, capabilities: new Set(capabilities) });
        const all = new Set(
          derivePermissions({ ...base, capabilities: new Set(keys) }).publish.map(({ subject }) => subject),
        );
        for (const { subject } of few.publish) expect(all.has(subject)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  /** Written from the protocol, without any function of the package. */
  function expectation(
    manifest: Manifest,
    other: Manifest | undefined,
    held: ReadonlySet<string>,
  ): { publish: RegExp[]; subscribe: RegExp[]; must: string[] } {
    const literal = (subject: string) => new RegExp(`^${subject.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
    const wild = (version: string, name: string, params: readonly string[] = []) =>
      `events.${version}.${name}${".*".repeat(params.length)}`;
    const holds = (needed: readonly string[] | undefined) =>
      needed === undefined || needed.every((key) => held.has(key));
    const publish: string[] = [];
    const must: string[] = [];
    const subscribe = [`${inboxPrefix}.>`];
    const use = manifest.uses?.required?.["a-b"] ?? manifest.uses?.optional?.["a-b"];
    for (const name of other === undefined ? [] : (use?.rpc?.call ?? [])) {
      const rpc = other?.rpc?.[name];
      if (rpc !== undefined && holds(rpc.capabilities?.call)) must.push(`rpc.${rpc.version}.${name}`);
    }
    for (const name of other === undefined ? [] : (use?.operations?.call ?? [])) {
      const operation = other?.operations?.[name];
      if (operation === undefined) continue;
      const subject = `operations.${operation.version}.${name}`;
      const needs = operation.capabilities;
      if (holds(needs?.call)) must.push(subject, `${subject}.control.start.*`);
      if (holds(needs?.call) && holds(needs?.observe ?? needs?.call))
        must.push(`${subject}.control.run`, `${subject}.control.run.*`);
      if (holds(needs?.observe ?? needs?.call))
        must.push(
          ...["get", "wait", "watch"].map((action) => `${subject}.control.${action}.*`),
          `${subject}.control.stream.*.*.*`,
        );
      if (needs?.cancel !== undefined && operation.cancel !== false && holds(needs.cancel))
        must.push(`${subject}.control.cancel.*`);
      if (operation.signals !== undefined && holds(needs?.control)) publish.push(`${subject}.control.signal.*`);
    }
    for (const name of other === undefined ? [] : (use?.feeds?.subscribe ?? [])) {
      const feed = other?.feeds?.[name];
      if (feed !== undefined && holds(feed.capabilities?.subscribe))
        must.push(`feeds.${feed.version}.${name}`, `feeds.${feed.version}.${name}.control.stream.*.*.*`);
    }
    for (const name of other === undefined ? [] : (use?.events?.publish ?? [])) {
      const event = other?.events?.[name];
      if (event !== undefined && holds(event.capabilities?.publish)) must.push(wild(event.version, name, event.params));
    }
    for (const name of other === undefined ? [] : (use?.events?.subscribe ?? [])) {
      const event = other?.events?.[name];
      if (event !== undefined && holds(event.capabilities?.subscribe))
        subscribe.push(wild(event.version, name, event.params));
    }
    for (const [name, event] of Object.entries(
      manifest.kind === "service" || manifest.kind === "device" ? (manifest.events ?? {}) : {},
    ))
      must.push(wild(event.version, name, event.params));
    for (const alias of Object.keys(manifest.resources?.kv ?? {})) {
      const bucket = `shop-1_${alias}`;
      must.push(
        `$KV.${bucket}.>`,
        `$JS.API.DIRECT.GET.KV_${bucket}`,
        `$JS.API.DIRECT.GET.KV_${bucket}.$KV.${bucket}.>`,
        `trellis.leader.KV_${bucket}`,
      );
      subscribe.push(`kvr.${bucket}.>`);
    }
    for (const alias of Object.keys(manifest.resources?.store ?? {})) {
      const bucket = `shop-1_${alias}`;
      must.push(
        `$O.${bucket}.C.>`,
        `$O.${bucket}.M.>`,
        `$JS.API.DIRECT.GET.OBJ_${bucket}`,
        `$JS.API.DIRECT.GET.OBJ_${bucket}.$O.${bucket}.>`,
        `trellis.leader.OBJ_${bucket}`,
      );
    }
    if (manifest.kind === "service") {
      must.push("_INBOX.*.r.*.*", "_INBOX.*.s.>");
      subscribe.push("trellis.auth.v1.changes");
      for (const verb of ["PING", "INFO", "STATS"])
        subscribe.push(`$SRV.${verb}`, `$SRV.${verb}.shop-1`, `$SRV.${verb}.shop-1.*`);
      for (const [name, { version }] of Object.entries(manifest.rpc ?? {}))
        subscribe.push(`rpc.${version}.${name} shop@v1`);
      for (const [name, { version }] of Object.entries(manifest.feeds ?? {}))
        subscribe.push(`feeds.${version}.${name} shop@v1`, `feeds.${version}.${name}.control.stream.shop-1.*.*`);
      for (const [name, { version }] of Object.entries(manifest.operations ?? {})) {
        const subject = `operations.${version}.${name}`;
        subscribe.push(
          `${subject} shop@v1`,
          `${subject}.control.run shop@v1`,
          `${subject}.control.stream.shop-1.*.*`,
          ...["start", "run", "get", "wait", "watch", "cancel", "signal"].map(
            (action) => `${subject}.control.${action}.shop-1 shop@v1`,
          ),
        );
      }
      for (const queue of Object.keys(manifest.jobs ?? {})) {
        const events = `trellis.jobs.shop-1.${queue}.*.*`;
        subscribe.push(events);
        const marks = `trellis.jobs.shop-1.${queue}.mark.*.*`;
        must.push(marks, `$JS.API.DIRECT.GET.JOBS_MARKS.${marks}`);
        must.push(events, `$JS.API.DIRECT.GET.JOBS.${events}`, ...consumer("JOBS_WORK", `shop-1_${queue}`));
      }
      if (Object.keys(manifest.operations ?? {}).length > 0) {
        const own = (part: string) => `trellis.ops.shop-1.${part}.*.*`;
        subscribe.push(own("inbox"), "kvr.OPS_shop-1.*.*");
        must.push(
          ...["journal", "inbox", "work", "wake"].map(own),
          "trellis.ops.shop-1.contract.*",
          "$JS.API.DIRECT.GET.OPS_shop-1",
          "$JS.API.DIRECT.GET.OPS_shop-1.trellis.ops.shop-1.>",
          "trellis.leader.OPS_shop-1",
          "trellis.leader.OPS_WORK_shop-1",
          ...consumer("OPS_WORK_shop-1", "shop-1"),
        );
      }
      for (const group of Object.keys(manifest.eventConsumers ?? {}))
        publish.push(...consumer("EVENTS", `shop-1_${group}`), `trellis.dead.shop-1.${group}.*`);
    }
    return { publish: [...publish, ...must].map(literal), subscribe: subscribe.map(literal), must };
  }

  function consumer(stream: string, name: string): string[] {
    return [
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`,
      `$JS.ACK.${stream}.${name}.>`,
      `$JS.ACK._.*.${stream}.${name}.>`,
    ];
  }
});
