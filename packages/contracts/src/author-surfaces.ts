/** The owned surfaces of a contract: RPC, operations, events, feeds, jobs, consumers, state and resources. */
import type { Authoring, Declared, Draft } from "./authoring.ts";
import { show } from "./authoring.ts";
import { suggestName } from "./did-you-mean.ts";
import type { JsonSchema } from "./manifest.ts";
import { capabilityKey } from "./names.ts";
import { schemaAt } from "./schema.ts";
import { isRecord, pointer } from "./schema-problems.ts";
import { eventSubjectTemplate, feedSubject, operationSubject, rpcSubject } from "./subjects.ts";

const MEMBERS = {
  rpc: ["version", "input", "output", "capabilities", "errors", "transfer", "once", "docs"],
  operations: [
    "version",
    "input",
    "progress",
    "output",
    "capabilities",
    "signals",
    "cancel",
    "transfer",
    "errors",
    "maxAttempts",
    "backoffMs",
    "defaultDeadlineMs",
    "retentionMs",
    "docs",
  ],
  events: ["version", "params", "event", "capabilities", "docs"],
  feeds: ["version", "input", "event", "capabilities", "docs"],
  jobs: [
    "payload",
    "result",
    "maxDeliver",
    "backoffMs",
    "ackWaitMs",
    "defaultDeadlineMs",
    "progress",
    "logs",
    "dlq",
    "concurrency",
    "priorities",
    "rate",
    "perGroup",
    "schedules",
  ],
  eventConsumers: ["uses", "self", "replay", "ordering", "concurrency", "ackWaitMs", "maxDeliver", "backoffMs"],
  state: ["kind", "schema", "stateVersion", "acceptedVersions"],
  kv: ["purpose", "schema", "required", "history", "ttlMs", "maxValueBytes"],
  store: ["purpose", "required", "ttlMs", "maxTotalBytes", "maxObjectBytes"],
} as const;

const ACTIONS: { readonly [surface: string]: readonly string[] } = {
  rpc: ["call"],
  operations: ["call", "observe", "cancel", "control"],
  events: ["publish", "subscribe"],
  feeds: ["subscribe"],
};

/** Reads every owned surface of a definition into the manifest's members. */
export function authorSurfaces(authoring: Authoring, definition: Draft, declared: Declared): Draft {
  const surfaces = new Surfaces(authoring, declared, definition);
  const resources = authoring.members(
    withoutStreams(authoring, definition.resources),
    "/resources",
    ["kv", "store"],
    "resources",
  );
  const store = surfaces.each(resources.store, "/resources/store", MEMBERS.store, "a store");
  return {
    rpc: surfaces.rpc(),
    operations: surfaces.operations(Object.keys(store)),
    events: surfaces.events(),
    feeds: surfaces.feeds(),
    jobs: surfaces.jobs(),
    eventConsumers: surfaces.eventConsumers(),
    state: surfaces.state(),
    resources: { kv: notEmpty(surfaces.kv(resources.kv)), store: notEmpty(store) },
  };
}

function notEmpty(draft: Draft): Draft | undefined {
  return Object.keys(draft).length > 0 ? draft : undefined;
}

function withoutStreams(authoring: Authoring, resources: unknown): unknown {
  if (!isRecord(resources) || resources.streams === undefined) return resources;
  authoring.problem(
    "/resources/streams",
    "a contract owns no streams",
    "declare events: they are stored for you; or use resources.kv or resources.store",
  );
  return Object.fromEntries(Object.entries(resources).filter(([name]) => name !== "streams"));
}

class Surfaces {
  readonly #authoring: Authoring;
  readonly #declared: Declared;
  readonly #definition: Draft;

  constructor(authoring: Authoring, declared: Declared, definition: Draft) {
    this.#authoring = authoring;
    this.#declared = declared;
    this.#definition = definition;
  }

  /** One section: every entry with its known members, changed by `finish`. */
  each(
    section: unknown,
    path: string,
    known: readonly string[],
    what: string,
    finish: (draft: Draft, path: string, name: string) => Draft = (draft) => draft,
  ): Draft {
    const drafts: Draft = {};
    for (const [name, entry] of this.#authoring.entries(section, path)) {
      const at = pointer(path, name);
      drafts[name] = finish(this.#authoring.members(entry, at, known, what), at, name);
    }
    return drafts;
  }

  rpc(): Draft {
    return this.#surfaces("rpc", "an RPC", (draft, path, name) => {
      this.#schemas(draft, path, ["input", "output"]);
      this.#errors(draft, path);
      return { ...draft, subject: rpcSubject(name, String(draft.version)) };
    });
  }

  operations(stores: readonly string[]): Draft {
    return this.#surfaces("operations", "an operation", (draft, path, name) => {
      this.#schemas(draft, path, ["input", "progress", "output"]);
      this.#errors(draft, path);
      const signals =
        draft.signals === undefined
          ? undefined
          : this.each(draft.signals, pointer(path, "signals"), ["input"], "a signal", (signal, at) =>
              this.#schemas(signal, at, ["input"]),
            );
      if (isRecord(draft.transfer))
        this.#authoring.name(
          draft.transfer.store,
          `${path}/transfer/store`,
          { names: stores, otherwise: "declare it under resources.store" },
          "there is no store",
        );
      return { ...draft, signals, subject: operationSubject(name, String(draft.version)) };
    });
  }

  events(): Draft {
    return this.#surfaces("events", "an event", (draft, path, name) => {
      this.#schemas(draft, path, ["event"]);
      const params = this.#params(draft, path);
      return { ...draft, subject: eventSubjectTemplate(name, String(draft.version), params) };
    });
  }

  feeds(): Draft {
    return this.#surfaces("feeds", "a feed", (draft, path, name) => {
      this.#schemas(draft, path, ["input", "event"]);
      return { ...draft, subject: feedSubject(name, String(draft.version)) };
    });
  }

  jobs(): Draft {
    return this.each(this.#definition.jobs, "/jobs", MEMBERS.jobs, "a job", (draft, path) =>
      this.#schemas(draft, path, ["payload", "result"]),
    );
  }

  state(): Draft {
    return this.each(this.#definition.state, "/state", MEMBERS.state, "a state store", (draft, path) => {
      for (const [version, ref] of this.#authoring.entries(draft.acceptedVersions, pointer(path, "acceptedVersions"))) {
        this.#schema(ref, pointer(pointer(path, "acceptedVersions"), version));
      }
      return this.#schemas(draft, path, ["schema"]);
    });
  }

  kv(section: unknown): Draft {
    return this.each(section, "/resources/kv", MEMBERS.kv, "a KV bucket", (draft, path) =>
      this.#schemas(draft, path, ["schema"]),
    );
  }

  eventConsumers(): Draft {
    const aliases = { ...this.#declared.uses.optional, ...this.#declared.uses.required };
    return this.each(
      this.#definition.eventConsumers,
      "/eventConsumers",
      MEMBERS.eventConsumers,
      "an event consumer",
      (draft, path) => {
        const own = Object.keys(isRecord(this.#definition.events) ? this.#definition.events : {});
        this.#authoring.names(
          draft.self,
          pointer(path, "self"),
          { names: own, otherwise: "declare it under events" },
          "this contract has no event",
        );
        for (const [alias, events] of this.#authoring.entries(draft.uses, pointer(path, "uses"))) {
          this.#consumed(aliases, alias, events, pointer(pointer(path, "uses"), alias));
        }
        return draft;
      },
    );
  }

  #consumed(aliases: Declared["uses"]["required"], alias: string, events: unknown, path: string): void {
    const use = Object.hasOwn(aliases, alias) ? aliases[alias] : undefined;
    if (use === undefined) {
      this.#authoring.name(
        alias,
        path,
        { names: Object.keys(this.#declared.uses.contracts), otherwise: "add it to uses.required or uses.optional" },
        "under uses there is no alias",
      );
      return;
    }
    const subscribed = use.events?.subscribe ?? [];
    const offered = Object.keys(this.#declared.uses.contracts[alias]?.manifest.events ?? {});
    const unsubscribed = (name: unknown): name is string =>
      typeof name === "string" && offered.includes(name) && !subscribed.includes(name);
    this.#authoring.names(
      events,
      path,
      { names: offered, otherwise: `${use.contract} has no events` },
      `${use.contract} has no event`,
    );
    for (const [index, name] of Array.isArray(events) ? events.entries() : []) {
      if (!unsubscribed(name)) continue;
      this.#authoring.problem(
        pointer(path, index),
        `the alias "${alias}" does not subscribe to ${name}`,
        `add it: ${alias}.use({ events: { subscribe: ["${name}"] } })`,
      );
    }
  }

  #surfaces(
    kind: "rpc" | "operations" | "events" | "feeds",
    what: string,
    finish: (draft: Draft, path: string, name: string) => Draft,
  ): Draft {
    return this.each(this.#definition[kind], `/${kind}`, MEMBERS[kind], what, (draft, path, name) => {
      if (draft.capabilities !== undefined)
        draft.capabilities = this.#capabilities(draft.capabilities, pointer(path, "capabilities"), kind);
      return finish(draft, path, name);
    });
  }

  #capabilities(value: unknown, path: string, kind: string): Draft {
    const lists = this.#authoring.members(value, path, ACTIONS[kind] ?? [], `the capabilities of ${kind}`);
    for (const [action, list] of Object.entries(lists)) {
      const names = this.#authoring.names(
        list,
        pointer(path, action),
        { names: this.#declared.capabilities, otherwise: "declare it under capabilities" },
        "there is no capability",
      );
      lists[action] = names.map((name) => capabilityKey(this.#declared.id, name));
    }
    return lists;
  }

  #schemas(draft: Draft, path: string, members: readonly string[]): Draft {
    for (const member of members) if (draft[member] !== undefined) this.#schema(draft[member], pointer(path, member));
    return draft;
  }

  #schema(ref: unknown, path: string): void {
    const name = isRecord(ref) ? ref.schema : undefined;
    if (typeof name !== "string")
      this.#authoring.problem(path, `${show(ref)} does not refer to a schema`, 'write ref.schema("Name")');
    else
      this.#authoring.name(
        name,
        path,
        { names: this.#declared.schemaNames, otherwise: "declare it in schemas" },
        "there is no schema",
      );
  }

  #errors(draft: Draft, path: string): void {
    if (draft.errors === undefined) return;
    const types = Array.isArray(draft.errors)
      ? draft.errors.map((ref: unknown) => (isRecord(ref) ? ref.type : ref))
      : draft.errors;
    this.#authoring.names(
      types,
      pointer(path, "errors"),
      { names: this.#declared.errorTypes, otherwise: "declare it in errors" },
      "there is no error",
    );
  }

  #params(draft: Draft, path: string): readonly string[] {
    if (draft.params === undefined) return [];
    const at = pointer(path, "params");
    if (!Array.isArray(draft.params)) {
      this.#authoring.problem(at, "this must be a list of JSON pointers", 'write ["/member"]');
      return [];
    }
    const name = isRecord(draft.event) ? draft.event.schema : undefined;
    const schema =
      typeof name === "string" && Object.hasOwn(this.#declared.schemas, name)
        ? this.#declared.schemas[name]
        : undefined;
    const params: string[] = [];
    draft.params.forEach((param: unknown, index) => {
      if (typeof param === "string" && (schema === undefined || leadsToToken(schema, param))) params.push(param);
      else
        this.#authoring.problem(
          pointer(at, index),
          `${show(param)} does not lead to a plain value of the event`,
          suggestName(String(param), tokenPointers(schema), "use a JSON pointer to a text, number or boolean: /member"),
        );
    });
    return params;
  }
}

/** Objects and lists do not fit into one token of a subject. */
function leadsToToken(schema: JsonSchema, param: string): boolean {
  const target = param.startsWith("/") ? schemaAt(schema, param) : undefined;
  const type = isRecord(target) ? target.type : target;
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  return target !== undefined && target !== false && !types.includes("object") && !types.includes("array");
}

function tokenPointers(schema: JsonSchema | undefined): readonly string[] {
  const properties = isRecord(schema) ? schema.properties : undefined;
  const pointers = isRecord(properties) ? Object.keys(properties).map((name) => pointer("", name)) : [];
  return pointers.filter((param) => schema !== undefined && leadsToToken(schema, param));
}
