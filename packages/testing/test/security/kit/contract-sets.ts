import * as fc from "fast-check";
import { type Manifest, MANIFEST_FORMAT, type UseSelection } from "@trellis/contracts";

/**
 * Random contract sets: services that use each other (in circles too) and agents that use them, every kind of surface
 * and every way to ask for a capability among them. Small numbers choose everything, so that fast-check can shrink.
 */

/** `undefined`: not said; otherwise the local capabilities asked for, none or some. */
export type Asks = readonly ("read" | "write")[] | undefined;

export interface ServiceSpec {
  readonly rpc: readonly { readonly call: Asks; readonly transfer: boolean }[];
  readonly operations: readonly {
    readonly call: Asks;
    readonly observe: Asks;
    readonly cancel: Asks;
    readonly control: Asks;
    readonly cancels: boolean | undefined;
    readonly signals: boolean;
    readonly transfer: boolean;
  }[];
  readonly events: readonly { readonly params: 0 | 1 | 2; readonly publish: Asks; readonly subscribe: Asks }[];
  readonly feeds: readonly { readonly subscribe: Asks }[];
  readonly jobs: number;
  readonly kv: readonly { readonly history: number }[];
  readonly stores: number;
  readonly consumers: readonly { readonly self: boolean; readonly others: boolean }[];
  readonly uses: readonly UseSpec[];
}

/** A use of the service at `of` (modulo their number), of the surfaces whose bit is set in `pick`. */
export interface UseSpec {
  readonly of: number;
  readonly required: boolean;
  readonly pick: number;
}

export interface AgentSpec {
  /** What the user holds: everything, nothing, or some capabilities by bit. */
  readonly holds: "everything" | number;
  readonly uses: readonly UseSpec[];
  readonly events: number;
}

export interface SetSpec {
  readonly services: readonly ServiceSpec[];
  readonly agents: readonly AgentSpec[];
}

const asks = fc.constantFrom<Asks>(undefined, undefined, [], ["read"], ["write"], ["read", "write"]);
const uses = fc.array(fc.record({ of: fc.nat(3), required: fc.boolean(), pick: fc.nat(0xfff) }), { maxLength: 3 });

const service: fc.Arbitrary<ServiceSpec> = fc.record({
  rpc: fc.array(fc.record({ call: asks, transfer: fc.boolean() }), { maxLength: 3 }),
  operations: fc.array(
    fc.record({
      call: asks,
      observe: asks,
      cancel: asks,
      control: asks,
      cancels: fc.constantFrom(undefined, true, false),
      signals: fc.boolean(),
      transfer: fc.boolean(),
    }),
    { maxLength: 2 },
  ),
  events: fc.array(
    fc.record({ params: fc.constantFrom(0 as const, 1 as const, 2 as const), publish: asks, subscribe: asks }),
    { maxLength: 3 },
  ),
  feeds: fc.array(fc.record({ subscribe: asks }), { maxLength: 2 }),
  jobs: fc.nat(2),
  kv: fc.array(fc.record({ history: fc.integer({ min: 1, max: 5 }) }), { maxLength: 2 }),
  stores: fc.nat(1),
  consumers: fc.array(fc.record({ self: fc.boolean(), others: fc.boolean() }), { maxLength: 2 }),
  uses,
});

const agent: fc.Arbitrary<AgentSpec> = fc.record({
  holds: fc.oneof(fc.constant("everything" as const), fc.nat(0xff)),
  uses,
  events: fc.nat(1),
});

export const contractSets: fc.Arbitrary<SetSpec> = fc.record({
  services: fc.array(service, { minLength: 2, maxLength: 3 }),
  agents: fc.array(agent, { minLength: 1, maxLength: 2 }),
});

export interface NamedManifest {
  /** The deployment of a service; the user of an agent. */
  readonly name: string;
  readonly manifest: Manifest;
}

export interface NamedSet {
  readonly services: readonly NamedManifest[];
  readonly agents: readonly (NamedManifest & { readonly holds: "everything" | readonly string[] })[];
}

/** The manifests of a set; `tag` keeps the sets on one platform apart. */
export function writeSet(spec: SetSpec, tag: string): NamedSet {
  const owned = spec.services.map((each, index) => ownedSurfaces(each, `${tag}s${index}`));
  const services = spec.services.map((each, index) => {
    const name = `${tag}s${index}`;
    const own = owned[index];
    if (!own) throw new Error("every service has surfaces of its own");
    return {
      name,
      manifest: {
        ...own,
        ...usesOf(each.uses, others(owned, own), BASELINE_SERVICE),
        ...consumersOf(each, own, owned),
      },
    };
  });
  const keys = owned.flatMap((manifest) => Object.keys(manifest.capabilities ?? {}));
  const agents = spec.agents.map((each, index) => {
    const name = `${tag}u${index}`;
    const manifest: Manifest = {
      format: MANIFEST_FORMAT,
      id: `${name}@v1`,
      displayName: name,
      description: "An agent of a random set.",
      kind: "agent",
      schemas: { Any: {} },
      ...usesOf(each.uses, owned, BASELINE_AGENT),
      ...(each.events === 0 ? {} : { events: { [`${capital(name)}.Said`]: event(`${capital(name)}.Said`, 0) } }),
    };
    const { holds } = each;
    return { name, manifest, holds: holds === "everything" ? holds : keys.filter((_, at) => (holds >> (at % 8)) & 1) };
  });
  return { services, agents };
}

const BASELINE_SERVICE: { readonly [alias: string]: UseSelection } = {
  auth: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Requests.Validate"] } },
  health: { contract: "trellis.health@v1", events: { publish: ["Health.Heartbeat"] } },
};
const BASELINE_AGENT: { readonly [alias: string]: UseSelection } = {
  auth: { contract: "trellis.auth@v1", rpc: { call: ["Auth.Sessions.Logout", "Auth.Sessions.Me"] } },
  core: { contract: "trellis.core@v1", rpc: { call: ["Trellis.Surface.Status"] } },
};

const any = { schema: "Any" };

function ownedSurfaces(spec: ServiceSpec, name: string): Manifest {
  const prefix = capital(name);
  const keyed = (list: Asks): readonly string[] | undefined => list?.map((local) => `${name}::${local}`);
  const rules = (asked: { readonly [action: string]: Asks }) => {
    const said = Object.entries(asked).flatMap(([action, list]) =>
      list === undefined ? [] : [[action, keyed(list)] as const],
    );
    return said.length === 0 ? {} : { capabilities: Object.fromEntries(said) };
  };
  const named = <T, V>(
    list: readonly T[],
    word: string,
    write: (each: T, name: string, at: number) => V,
  ): { readonly [name: string]: V } =>
    Object.fromEntries(list.map((each, at) => [`${prefix}.${word}${at}`, write(each, `${prefix}.${word}${at}`, at)]));
  const locals = <V>(count: number, word: string, write: (at: number) => V): { readonly [name: string]: V } =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`${word}_${at}`, write(at)]));
  return {
    format: MANIFEST_FORMAT,
    id: `${name}@v1`,
    displayName: name,
    description: "A service of a random set.",
    kind: "service",
    capabilities: Object.fromEntries(
      ["read", "write"].map((local) => [`${name}::${local}`, { displayName: local, description: local }]),
    ),
    schemas: { Any: {}, Parts: { type: "object", properties: { a: { type: "string" }, b: { type: "string" } } } },
    rpc: named(spec.rpc, "Ask", ({ call, transfer }, surface) => ({
      version: "v1",
      subject: `rpc.v1.${surface}`,
      input: any,
      output: any,
      ...rules({ call }),
      ...(transfer ? { transfer: { direction: "receive" as const } } : {}),
    })),
    operations: named(
      spec.operations,
      "Run",
      ({ call, observe, cancel, control, cancels, signals, transfer }, surface) => ({
        version: "v1",
        subject: `operations.v1.${surface}`,
        input: any,
        output: any,
        ...rules({ call, observe, cancel, control }),
        ...(cancels === undefined ? {} : { cancel: cancels }),
        ...(signals ? { signals: { nudge: { input: any } } } : {}),
        ...(transfer && spec.stores > 0
          ? { transfer: { direction: "send" as const, store: "files_0", key: "fixed" } }
          : {}),
      }),
    ),
    events: named(spec.events, "Told", ({ params, publish, subscribe }, surface) => ({
      ...event(surface, params),
      ...rules({ publish, subscribe }),
    })),
    feeds: named(spec.feeds, "Live", ({ subscribe }, surface) => ({
      version: "v1",
      subject: `feeds.v1.${surface}`,
      input: any,
      event: any,
      ...rules({ subscribe }),
    })),
    jobs: locals(spec.jobs, "queue", () => ({ payload: any })),
    resources: {
      kv: locals(spec.kv.length, "cache", (at) => ({
        purpose: "Test.",
        schema: any,
        history: spec.kv[at]?.history ?? 1,
      })),
      store: locals(spec.stores, "files", () => ({ purpose: "Test." })),
    },
  };
}

function event(surface: string, params: 0 | 1 | 2) {
  const pointers = ["/a", "/b"].slice(0, params);
  const subject = [`events.v1.${surface}`, ...pointers.map((pointer) => `{${pointer}}`)].join(".");
  return {
    version: "v1",
    subject,
    event: { schema: params === 0 ? "Any" : "Parts" },
    ...(params === 0 ? {} : { params: pointers }),
  };
}

function usesOf(
  wanted: readonly UseSpec[],
  services: readonly Manifest[],
  baseline: { readonly [alias: string]: UseSelection },
): Pick<Manifest, "uses"> {
  const required: { [alias: string]: UseSelection } = { ...baseline };
  const optional: { [alias: string]: UseSelection } = {};
  for (const [at, use] of wanted.entries()) {
    const target = services[use.of % services.length];
    if (target) (use.required ? required : optional)[`peer${at}`] = selectionOf(target, use.pick);
  }
  return { uses: { required, ...(Object.keys(optional).length === 0 ? {} : { optional }) } };
}

/** A contract cannot use itself. */
function others(services: readonly Manifest[], own: Manifest): readonly Manifest[] {
  return services.filter((each) => each !== own);
}

function selectionOf(target: Manifest, pick: number): UseSelection {
  let bit = 0;
  const some = (map: object | undefined): readonly string[] =>
    Object.keys(map ?? {}).filter(() => (pick >> (bit++ % 12)) & 1);
  const [rpc, operations, publish, subscribe, feeds] = [
    some(target.rpc),
    some(target.operations),
    some(target.events),
    some(target.events),
    some(target.feeds),
  ];
  return {
    contract: target.id,
    ...(rpc.length > 0 ? { rpc: { call: rpc } } : {}),
    ...(operations.length > 0 ? { operations: { call: operations } } : {}),
    ...(publish.length + subscribe.length > 0
      ? { events: { ...(publish.length > 0 ? { publish } : {}), ...(subscribe.length > 0 ? { subscribe } : {}) } }
      : {}),
    ...(feeds.length > 0 ? { feeds: { subscribe: feeds } } : {}),
  };
}

function consumersOf(
  spec: ServiceSpec,
  own: Manifest,
  services: readonly Manifest[],
): Pick<Manifest, "eventConsumers"> {
  const { uses = {} } = usesOf(spec.uses, others(services, own), {});
  const consumed = Object.entries({ ...uses.optional, ...uses.required }).flatMap(([alias, { events }]) =>
    events?.subscribe === undefined ? [] : [[alias, events.subscribe] as const],
  );
  const groups = spec.consumers.flatMap(({ self, others }, at) => {
    const ownEvents = self ? Object.keys(own.events ?? {}) : [];
    const foreign = others ? consumed : [];
    if (ownEvents.length + foreign.length === 0) return [];
    const group = {
      replay: "all" as const,
      ordering: "strict" as const,
      concurrency: 1,
      ...(ownEvents.length > 0 ? { self: ownEvents } : {}),
      ...(foreign.length > 0 ? { uses: Object.fromEntries(foreign) } : {}),
    };
    return [[`group_${at}`, group] as const];
  });
  return groups.length === 0 ? {} : { eventConsumers: Object.fromEntries(groups) };
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
