import { STATE_CONTRACT } from "./baseline.ts";
import type { ErrorRef, Manifest, SchemaRef, UseSelection } from "./manifest.ts";
import { RESERVED_NAMES } from "./manifest-structure.ts";
import { CAPABILITY_SEPARATOR, contractName, RESERVED_CAPABILITIES, surfacePath } from "./names.ts";
import type { ProblemList } from "./problem-list.ts";
import { compileSchema, schemaAt } from "./schema.ts";
import { isRecord, pointer } from "./schema-problems.ts";
import { listSurfaces, schemaRefs } from "./surfaces.ts";
import { eventSubjectTemplate, feedSubject, operationSubject, rpcSubject } from "./subjects.ts";
import { findSubjectCollisions } from "./collisions.ts";

/** Error types every participant knows; an RPC may name them without declaring them. */
export const BUILT_IN_ERRORS: readonly string[] = [
  "AuthError",
  "ValidationError",
  "TransportError",
  "UnexpectedError",
  "RemoteError",
  "OperationError",
];

/** Checks that everything a manifest refers to exists and means what it must. The structure is known to be right. */
export function checkReferences(manifest: Manifest, list: ProblemList): void {
  checkSchemaRefs(manifest, list);
  checkSubjects(manifest, list);
  checkNames(manifest, list);
  checkEventParams(manifest, list);
  checkErrors(manifest, list);
  checkCapabilities(manifest, list);
  checkUses(manifest, list);
  checkEventConsumers(manifest, list);
  checkTransfers(manifest, list);
  checkSchedules(manifest, list);
  checkServing(manifest, list);
}

function entries<T>(map: { readonly [name: string]: T } | undefined): readonly (readonly [string, T])[] {
  return Object.entries(map ?? {});
}

function checkSchemaRefs(manifest: Manifest, list: ProblemList): void {
  const known = manifest.schemas ?? {};
  const check = (ref: SchemaRef, path: string): void => {
    if (!Object.hasOwn(known, ref.schema))
      list.problem(
        path,
        `there is no schema ${ref.schema}`,
        `declare it under schemas, or use one of: ${some(Object.keys(known))}`,
      );
  };
  for (const { ref, path } of schemaRefs(manifest)) check(ref, `${path}/schema`);
  manifest.exports?.schemas?.forEach((schema, index) => check({ schema }, `/exports/schemas/${index}`));
}

function checkSchedules({ jobs, schemas }: Manifest, list: ProblemList): void {
  for (const [queue, job] of entries(jobs)) {
    const schema = Object.hasOwn(schemas ?? {}, job.payload.schema) ? schemas?.[job.payload.schema] : undefined;
    if (schema === undefined || job.schedules === undefined) continue;
    const compiled = compileSchema(schema);
    for (const [name, { payload }] of entries(job.schedules)) {
      if (compiled.check(payload)) continue;
      const [first] = compiled.errors(payload);
      list.problem(
        `${pointer(pointer(pointer("/jobs", queue), "schedules"), name)}/payload`,
        `does not match the schema ${job.payload.schema} of the queue: ${first?.message ?? "it does not fit"}`,
        "write a payload its handler would take",
      );
    }
  }
}

function checkSubjects(manifest: Manifest, list: ProblemList): void {
  const check = (path: string, subject: string, derived: string): void => {
    if (subject !== derived)
      list.problem(
        pointer(path, "subject"),
        `the subject ${subject} is not the one of this surface`,
        `write ${derived}, or leave it to define…Contract`,
      );
  };
  for (const [name, { version, subject }] of entries(manifest.rpc))
    check(pointer("/rpc", name), subject, rpcSubject(name, version));
  for (const [name, { version, subject }] of entries(manifest.operations))
    check(pointer("/operations", name), subject, operationSubject(name, version));
  for (const [name, { version, subject }] of entries(manifest.feeds))
    check(pointer("/feeds", name), subject, feedSubject(name, version));
  for (const [name, { version, subject, params }] of entries(manifest.events)) {
    check(pointer("/events", name), subject, eventSubjectTemplate(name, version, params));
  }
  for (const { surfaces } of findSubjectCollisions([manifest])) {
    const [first, second] = surfaces;
    list.problem(
      pointer(`/${second.member}`, second.name),
      `${second.subject} collides with ${first.subject} of ${first.name}`,
      "rename one of the two",
    );
  }
}

function checkNames(manifest: Manifest, list: ProblemList): void {
  for (const member of ["rpc", "operations", "events", "feeds"] as const) {
    const taken = new Map<string, string>();
    for (const name of Object.keys(manifest[member] ?? {})) {
      const at = pointer(`/${member}`, name);
      const { group, leaf } = surfacePath(name);
      for (const part of [group, leaf])
        if (RESERVED_NAMES.has(part))
          list.problem(at, `${name} is ${group}.${leaf} in code, and ${part} is reserved`, "choose another name");
      const other = taken.get(`${group}.${leaf}`);
      if (other !== undefined)
        list.problem(at, `${name} and ${other} are both ${group}.${leaf} in code`, "rename one of the two");
      taken.set(`${group}.${leaf}`, name);
    }
  }
}

function checkEventParams(manifest: Manifest, list: ProblemList): void {
  for (const [name, event] of entries(manifest.events)) {
    const schema = Object.hasOwn(manifest.schemas ?? {}, event.event.schema)
      ? manifest.schemas?.[event.event.schema]
      : undefined;
    const seen = new Set<string>();
    event.params?.forEach((param, index) => {
      const at = pointer(pointer(pointer("/events", name), "params"), index);
      if (seen.has(param)) list.problem(at, `${param} is named twice`);
      seen.add(param);
      if (schema === undefined) return;
      const target = schemaAt(schema, param);
      if (target === undefined)
        list.problem(
          at,
          `${param} leads nowhere in the schema ${event.event.schema}`,
          `point to a property of the event: ${some(propertyPointers(schema))}`,
        );
      else if (!mayBeToken(target))
        list.problem(
          at,
          `${param} is an object or a list, which cannot be part of a subject`,
          "point to a text, number or boolean",
        );
    });
  }
}

function propertyPointers(schema: unknown): readonly string[] {
  return isRecord(schema) && isRecord(schema.properties)
    ? Object.keys(schema.properties).map((name) => pointer("", name))
    : [];
}

function mayBeToken(schema: unknown): boolean {
  if (!isRecord(schema) || schema.type === undefined) return schema !== false;
  const types: readonly unknown[] = Array.isArray(schema.type) ? schema.type : [schema.type];
  return !types.includes("object") && !types.includes("array");
}

function checkErrors(manifest: Manifest, list: ProblemList): void {
  const declared = new Set(entries(manifest.errors).map(([, { type }]) => type));
  for (const [name, { type }] of entries(manifest.errors)) {
    if (BUILT_IN_ERRORS.includes(type))
      list.problem(pointer("/errors", name), `${type} is built in and cannot be declared`, "choose another type");
  }
  for (const member of ["rpc", "operations"] as const) {
    for (const [name, { errors }] of entries<{ readonly errors?: readonly ErrorRef[] }>(manifest[member])) {
      errors?.forEach(({ type }, index) => {
        if (declared.has(type) || BUILT_IN_ERRORS.includes(type)) return;
        list.problem(
          `${pointer(`/${member}`, name)}/errors/${index}/type`,
          `the error ${type} is not declared`,
          `declare it under errors, or use one of: ${some([...declared])}`,
        );
      });
    }
  }
}

function checkCapabilities(manifest: Manifest, list: ProblemList): void {
  const own = contractName(manifest.id);
  const foreign = new Set(aliasesOf(manifest).map(([, { contract }]) => contractName(contract)));
  const declared = manifest.capabilities ?? {};
  for (const key of Object.keys(declared)) {
    const at = pointer("/capabilities", key);
    if (RESERVED_CAPABILITIES.includes(key))
      list.problem(at, `the capability ${key} is reserved`, "contracts may require it, never declare it");
    else if (prefixOf(key) !== own)
      list.problem(
        at,
        `${key} does not belong to ${own}`,
        `name it ${own}${CAPABILITY_SEPARATOR}${key.split(CAPABILITY_SEPARATOR).at(-1) ?? "read"}`,
      );
  }
  for (const { path, keys } of requiredCapabilities(manifest)) {
    keys.forEach((key, index) => {
      if (RESERVED_CAPABILITIES.includes(key)) return;
      const prefix = prefixOf(key);
      const known = prefix === own ? Object.hasOwn(declared, key) : foreign.has(prefix);
      if (!known)
        list.problem(
          pointer(path, index),
          `the capability ${key} is not declared`,
          `declare it under capabilities, or use one of: ${some([...Object.keys(declared), ...RESERVED_CAPABILITIES])}`,
        );
    });
  }
}

function prefixOf(key: string): string {
  return key.split(CAPABILITY_SEPARATOR)[0] ?? "";
}

function requiredCapabilities(
  manifest: Manifest,
): readonly { readonly path: string; readonly keys: readonly string[] }[] {
  const found: { path: string; keys: readonly string[] }[] = [];
  for (const member of ["rpc", "operations", "events", "feeds"] as const) {
    for (const [name, surface] of entries<{ readonly capabilities?: { readonly [action: string]: readonly string[] } }>(
      manifest[member],
    )) {
      for (const [action, keys] of entries(surface.capabilities))
        found.push({ path: `${pointer(`/${member}`, name)}/capabilities/${action}`, keys });
    }
  }
  return found;
}

/** Every alias with the pointer to it; an alias that is both required and optional appears once, as required. */
function aliasesOf(manifest: Manifest): readonly (readonly [alias: string, selection: UseSelection, path: string])[] {
  const required = entries(manifest.uses?.required).map(
    ([alias, selection]) => [alias, selection, pointer("/uses/required", alias)] as const,
  );
  const optional = entries(manifest.uses?.optional).map(
    ([alias, selection]) => [alias, selection, pointer("/uses/optional", alias)] as const,
  );
  const taken = new Set(required.map(([alias]) => alias));
  return [...required, ...optional.filter(([alias]) => !taken.has(alias))];
}

function checkUses(manifest: Manifest, list: ProblemList): void {
  for (const [, { contract }, path] of aliasesOf(manifest)) {
    if (contract === manifest.id)
      list.problem(`${path}/contract`, "a contract cannot use itself", "what it owns is its own already");
  }
}

function checkEventConsumers(manifest: Manifest, list: ProblemList): void {
  const selections = new Map(aliasesOf(manifest).map(([alias, selection]) => [alias, selection]));
  for (const [group, consumer] of entries(manifest.eventConsumers)) {
    const path = pointer("/eventConsumers", group);
    for (const [alias, events] of entries(consumer.uses)) {
      const at = pointer(`${path}/uses`, alias);
      const selection = selections.get(alias);
      if (selection === undefined) {
        list.problem(
          at,
          `there is no alias ${alias} under uses`,
          `add it, or use one of: ${some([...selections.keys()])}`,
        );
        continue;
      }
      events.forEach((event, index) => {
        if (selection.events?.subscribe?.includes(event) !== true) {
          list.problem(
            pointer(at, index),
            `${event} is not in the subscriptions of ${alias}`,
            `add "${event}" to events.subscribe of the alias ${alias}`,
          );
        }
      });
    }
    consumer.self?.forEach((event, index) => {
      if (!Object.hasOwn(manifest.events ?? {}, event)) {
        list.problem(
          `${path}/self/${index}`,
          `this contract has no event ${event}`,
          `use one of: ${some(Object.keys(manifest.events ?? {}))}`,
        );
      }
    });
    const consumed = entries(consumer.uses).reduce(
      (sum, [, events]) => sum + events.length,
      consumer.self?.length ?? 0,
    );
    if (consumed === 0) list.problem(path, "the group consumes no event", "name events under uses.<alias> or self");
  }
}

function checkTransfers(manifest: Manifest, list: ProblemList): void {
  for (const [name, { transfer, input }] of entries(manifest.operations)) {
    if (transfer === undefined) continue;
    const at = `${pointer("/operations", name)}/transfer`;
    const stores = manifest.resources?.store ?? {};
    if (!Object.hasOwn(stores, transfer.store))
      list.problem(
        `${at}/store`,
        `there is no store ${transfer.store}`,
        `declare it under resources.store, or use one of: ${some(Object.keys(stores))}`,
      );
    for (const member of ["key", "contentType", "metadata"] as const) {
      const target = transfer[member];
      const schema = Object.hasOwn(manifest.schemas ?? {}, input.schema) ? manifest.schemas?.[input.schema] : undefined;
      if (target?.startsWith("/") === true && schema !== undefined && schemaAt(schema, target) === undefined) {
        list.problem(
          `${at}/${member}`,
          `${target} leads nowhere in the schema ${input.schema}`,
          `point to a property of the input: ${some(propertyPointers(schema))}`,
        );
      }
    }
  }
}

function checkServing(manifest: Manifest, list: ProblemList): void {
  if (manifest.kind === "service") return checkNoState(manifest, list);
  const unserved = [
    "rpc",
    "operation",
    "feed",
    "job",
    "eventConsumer",
    ...(manifest.kind === "device" ? [] : ["event"]),
  ];
  for (const { kind, name, member } of listSurfaces(manifest)) {
    if (unserved.includes(kind)) {
      list.warn(
        pointer(`/${member}`, name),
        `only a service can ${kind === "event" ? "own" : "serve"} this; for ${article(manifest.kind)} it grants nothing`,
      );
    }
  }
}

/** State belongs to a person or a device, and a service is neither. */
function checkNoState(manifest: Manifest, list: ProblemList): void {
  if (manifest.state !== undefined)
    list.problem(
      "/state",
      "a service has no state of a user or device",
      "declare a bucket under resources.kv; state is for apps, agents and devices",
    );
  for (const group of ["required", "optional"] as const) {
    for (const [alias, { contract }] of entries(manifest.uses?.[group])) {
      if (contract === STATE_CONTRACT)
        list.problem(
          pointer(`/uses/${group}`, alias),
          `a service cannot use ${STATE_CONTRACT}`,
          "keep what is the service's own in resources.kv; state is for apps, agents and devices",
        );
    }
  }
}

function article(kind: string): string {
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`;
}

function some(names: readonly string[]): string {
  if (names.length === 0) return "(none yet)";
  return names.length > 8 ? `${names.slice(0, 8).join(", ")}, …` : names.join(", ");
}
