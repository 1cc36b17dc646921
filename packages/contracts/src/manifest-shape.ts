import { isTimeZone, parseCron } from "./cron.ts";
import { LIMITS } from "./limits.ts";
import { MANIFEST_FORMAT } from "./manifest.ts";
import { isName, NAME_RULES } from "./names.ts";
import type { NameKind } from "./names.ts";

/**
 * The form of a manifest as one table. Parsing checks against it, normalizing rebuilds by it; a member that is not
 * here does not exist.
 */
export type Shape =
  | { readonly kind: "object"; readonly members: { readonly [name: string]: Member } }
  | { readonly kind: "map"; readonly of: Shape; readonly keys: NameKind; readonly limit: number }
  /** Order means nothing: sorted and de-duplicated, objects by this member. */
  | { readonly kind: "set"; readonly of: Shape; readonly by?: string }
  | { readonly kind: "list"; readonly of: Shape }
  | {
      readonly kind: "value";
      readonly words: string;
      readonly fits: (value: unknown) => boolean;
      readonly fix?: string;
    }
  | { readonly kind: "schema" };

/** One member of an object. */
export interface Member {
  readonly shape: Shape;
  readonly required?: true;
  /** An empty list or object here says something else than an absent one. */
  readonly keepEmpty?: true;
  /** What normalizing writes where the member is absent. */
  readonly filled?: string | number;
}

const text: Shape = {
  kind: "value",
  words: `text of at most ${LIMITS.textLength.value} characters`,
  fits: (value) => typeof value === "string" && value.length <= LIMITS.textLength.value,
};
const markdown: Shape = {
  kind: "value",
  words: `text of at most ${LIMITS.markdownLength.value} characters`,
  fits: (value) => typeof value === "string" && value.length <= LIMITS.markdownLength.value,
};
const flag: Shape = { kind: "value", words: "true or false", fits: (value) => typeof value === "boolean" };
const count: Shape = {
  kind: "value",
  words: "a whole number above zero",
  fits: (value) => isWhole(value) && value > 0,
};
const amount: Shape = { kind: "value", words: "a whole number, zero or more", fits: (value) => isWhole(value) };
const history: Shape = {
  kind: "value",
  words: "a whole number from 1 to 64",
  fits: (value) => isWhole(value) && value >= 1 && value <= 64,
};

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function oneOf(...allowed: readonly unknown[]): Shape {
  return {
    kind: "value",
    words: allowed.map((value) => JSON.stringify(value)).join(" or "),
    fits: (value) => allowed.includes(value),
  };
}

function named(kind: NameKind): Shape {
  return {
    kind: "value",
    words: NAME_RULES[kind].rule,
    fits: (value) => typeof value === "string" && isName(kind, value),
  };
}

function object(members: { readonly [name: string]: Member }): Shape {
  return { kind: "object", members };
}

function map(keys: NameKind, of: Shape, limit: number = LIMITS.surfaces.value): Shape {
  return { kind: "map", keys, of, limit };
}

function required(shape: Shape): Member {
  return { shape, required: true };
}

const schemaRef = object({ schema: required(named("schema")) });
const docs = object({ summary: { shape: text }, markdown: { shape: markdown } });
const capabilityList: Member = { shape: { kind: "set", of: named("capability") }, keepEmpty: true };
const surfaceSet: Member = { shape: { kind: "set", of: named("surface") } };
const delays: Member = { shape: { kind: "list", of: amount }, keepEmpty: true };
const errorSet: Shape = { kind: "set", of: object({ type: required(named("local")) }), by: "type" };
const surface = { version: required(named("version")), subject: required(text) };

const selection = object({
  contract: required(named("contractId")),
  rpc: { shape: object({ call: surfaceSet }) },
  operations: { shape: object({ call: surfaceSet }) },
  events: { shape: object({ publish: surfaceSet, subscribe: surfaceSet }) },
  feeds: { shape: object({ subscribe: surfaceSet }) },
});
const aliases: Member = { shape: map("local", selection, LIMITS.aliases.value) };

const rpc = object({
  ...surface,
  input: required(schemaRef),
  output: required(schemaRef),
  capabilities: { shape: object({ call: capabilityList }) },
  errors: { shape: errorSet },
  transfer: { shape: object({ direction: required(oneOf("receive")) }) },
  once: { shape: oneOf(true) },
  docs: { shape: docs },
});

const operation = object({
  ...surface,
  input: required(schemaRef),
  progress: { shape: schemaRef },
  output: required(schemaRef),
  capabilities: {
    shape: object({ call: capabilityList, observe: capabilityList, cancel: capabilityList, control: capabilityList }),
  },
  signals: { shape: map("local", object({ input: required(schemaRef) })) },
  cancel: { shape: flag },
  errors: { shape: errorSet },
  maxAttempts: { shape: count },
  backoffMs: delays,
  defaultDeadlineMs: { shape: count },
  retentionMs: { shape: count },
  transfer: {
    shape: object({
      direction: required(oneOf("send")),
      store: required(named("local")),
      key: required(text),
      contentType: { shape: text },
      metadata: { shape: text },
      expiresInMs: { shape: count },
      maxBytes: { shape: count },
    }),
  },
  docs: { shape: docs },
});

const event = object({
  ...surface,
  params: { shape: { kind: "list", of: named("eventParam") } },
  event: required(schemaRef),
  capabilities: { shape: object({ publish: capabilityList, subscribe: capabilityList }) },
  docs: { shape: docs },
});

const feed = object({
  ...surface,
  input: required(schemaRef),
  event: required(schemaRef),
  capabilities: { shape: object({ subscribe: capabilityList }) },
  docs: { shape: docs },
});

const rate = object({
  limit: required({
    kind: "value",
    words: `a whole number from 1 to ${LIMITS.rateLimit.value}`,
    fits: (value) => isWhole(value) && value >= 1 && value <= LIMITS.rateLimit.value,
    fix: "a shorter perMs holds more",
  }),
  perMs: required(count),
});

const schedule = object({
  cron: required({
    kind: "value",
    words: "times in the notation of cron, such as 30 2 * * mon-fri",
    fits: (value) => typeof value === "string" && typeof parseCron(value) !== "string",
  }),
  timeZone: {
    shape: {
      kind: "value",
      words: "a time zone such as Europe/Berlin",
      fits: (value) => typeof value === "string" && isTimeZone(value),
    },
  },
  // Checked against the schema of the queue, with everything else that refers to something.
  payload: required({ kind: "value", words: "JSON", fits: (value) => value !== undefined }),
  overlap: { shape: oneOf("allow", "skip", "replace") },
  catchUp: { shape: oneOf("none", "last", "all") },
});

const job = object({
  payload: required(schemaRef),
  result: { shape: schemaRef },
  maxDeliver: { shape: count },
  backoffMs: delays,
  ackWaitMs: { shape: count },
  defaultDeadlineMs: { shape: count },
  progress: { shape: flag },
  logs: { shape: flag },
  dlq: { shape: flag },
  concurrency: { shape: count },
  priorities: { shape: oneOf(true) },
  rate: { shape: rate },
  perGroup: { shape: object({ concurrency: { shape: count }, rate: { shape: rate } }) },
  schedules: { shape: map("local", schedule, LIMITS.schedules.value) },
});

const eventConsumer = object({
  uses: { shape: map("local", surfaceSet.shape, LIMITS.aliases.value) },
  self: surfaceSet,
  replay: { shape: oneOf("new", "all"), filled: "new" },
  ordering: { shape: oneOf("strict"), filled: "strict" },
  concurrency: { shape: count, filled: 1 },
  ackWaitMs: { shape: count },
  maxDeliver: { shape: count },
  backoffMs: delays,
});

const state = object({
  kind: required(oneOf("value", "map")),
  schema: required(schemaRef),
  stateVersion: { shape: named("version") },
  acceptedVersions: { shape: map("version", schemaRef) },
});

const resources = object({
  kv: {
    shape: map(
      "local",
      object({
        purpose: required(text),
        schema: required(schemaRef),
        required: { shape: flag },
        history: { shape: history },
        ttlMs: { shape: amount },
        maxValueBytes: { shape: count },
      }),
    ),
  },
  store: {
    shape: map(
      "local",
      object({
        purpose: required(text),
        required: { shape: flag },
        ttlMs: { shape: amount },
        maxTotalBytes: { shape: count },
        maxObjectBytes: { shape: count },
      }),
    ),
  },
});

/** The whole manifest. */
export const MANIFEST_SHAPE: Extract<Shape, { kind: "object" }> = {
  kind: "object",
  members: {
    format: required(oneOf(MANIFEST_FORMAT)),
    id: required(named("contractId")),
    displayName: required(text),
    description: required(text),
    kind: required({
      ...valueShape(oneOf("service", "app", "agent", "device")),
      fix: "cli is written when authoring only; in a manifest it is agent",
    }),
    docs: { shape: docs },
    capabilities: {
      shape: map(
        "capability",
        object({ displayName: required(text), description: required(text), consequence: { shape: text } }),
        LIMITS.capabilities.value,
      ),
    },
    schemas: { shape: map("schema", { kind: "schema" }, LIMITS.schemas.value) },
    exports: { shape: object({ schemas: { shape: { kind: "set", of: named("schema") } } }) },
    state: { shape: map("local", state) },
    uses: { shape: object({ required: aliases, optional: aliases }) },
    rpc: { shape: map("surface", rpc) },
    operations: { shape: map("surface", operation) },
    events: { shape: map("surface", event) },
    feeds: { shape: map("surface", feed) },
    errors: { shape: map("local", object({ type: required(named("local")), schema: { shape: schemaRef } })) },
    jobs: { shape: map("local", job) },
    eventConsumers: { shape: map("local", eventConsumer) },
    resources: { shape: resources },
  },
};

function valueShape(shape: Shape): Extract<Shape, { kind: "value" }> {
  if (shape.kind !== "value") throw new TypeError("not a value shape");
  return shape;
}
