import type { Manifest, SchemaRef } from "./manifest.ts";
import { pointer } from "./schema-problems.ts";

/** The kinds of things a contract owns. */
export type SurfaceKind = "rpc" | "operation" | "event" | "feed" | "job" | "kv" | "store" | "state" | "eventConsumer";

/** One thing a contract owns, for lists, reviews and look-ups. */
export interface Surface {
  readonly kind: SurfaceKind;
  readonly name: string;
  readonly version?: string;
  readonly subject?: string;
  /** What may be done with it; these are the names capabilities are asked for by. */
  readonly actions: readonly string[];
  /** Where it stands in the manifest: `rpc`, `resources/kv`, … */
  readonly member: string;
}

/** Everything a manifest owns, in a stable order. */
export function listSurfaces(manifest: Manifest): readonly Surface[] {
  const surfaces: Surface[] = [];
  for (const [name, { version, subject }] of sorted(manifest.rpc))
    surfaces.push({ kind: "rpc", name, version, subject, actions: ["call"], member: "rpc" });
  for (const [name, operation] of sorted(manifest.operations)) {
    const { version, subject, capabilities, cancel, signals } = operation;
    const actions = ["call", "observe"];
    if (capabilities?.cancel !== undefined && cancel !== false) actions.push("cancel");
    if (signals !== undefined) actions.push("control");
    surfaces.push({ kind: "operation", name, version, subject, actions, member: "operations" });
  }
  for (const [name, { version, subject }] of sorted(manifest.events)) {
    surfaces.push({ kind: "event", name, version, subject, actions: ["publish", "subscribe"], member: "events" });
  }
  for (const [name, { version, subject }] of sorted(manifest.feeds))
    surfaces.push({ kind: "feed", name, version, subject, actions: ["subscribe"], member: "feeds" });
  for (const [name] of sorted(manifest.jobs)) surfaces.push({ kind: "job", name, actions: [], member: "jobs" });
  for (const [name] of sorted(manifest.eventConsumers))
    surfaces.push({ kind: "eventConsumer", name, actions: [], member: "eventConsumers" });
  for (const [name] of sorted(manifest.state)) surfaces.push({ kind: "state", name, actions: [], member: "state" });
  for (const [name] of sorted(manifest.resources?.kv))
    surfaces.push({ kind: "kv", name, actions: [], member: "resources/kv" });
  for (const [name] of sorted(manifest.resources?.store))
    surfaces.push({ kind: "store", name, actions: [], member: "resources/store" });
  return surfaces;
}

/** A place in a manifest that names a schema. */
export interface SchemaRefAt {
  readonly ref: SchemaRef;
  readonly path: string;
}

/** Every reference to a schema that surfaces, state, resources and declared errors make. */
export function schemaRefs(manifest: Manifest): readonly SchemaRefAt[] {
  const refs: SchemaRefAt[] = [];
  const add = (path: string, ref: SchemaRef | undefined): void => {
    if (ref !== undefined) refs.push({ ref, path });
  };
  const each = <T>(
    member: string,
    map: { readonly [name: string]: T } | undefined,
    visit: (value: T, at: string) => void,
  ): void => {
    for (const [name, value] of Object.entries(map ?? {})) visit(value, pointer(`/${member}`, name));
  };
  each("rpc", manifest.rpc, ({ input, output }, at) => {
    add(`${at}/input`, input);
    add(`${at}/output`, output);
  });
  each("operations", manifest.operations, ({ input, progress, output, signals }, at) => {
    add(`${at}/input`, input);
    add(`${at}/progress`, progress);
    add(`${at}/output`, output);
    for (const [signal, value] of Object.entries(signals ?? {}))
      add(`${pointer(`${at}/signals`, signal)}/input`, value.input);
  });
  each("events", manifest.events, ({ event }, at) => add(`${at}/event`, event));
  each("feeds", manifest.feeds, ({ input, event }, at) => {
    add(`${at}/input`, input);
    add(`${at}/event`, event);
  });
  each("jobs", manifest.jobs, ({ payload, result }, at) => {
    add(`${at}/payload`, payload);
    add(`${at}/result`, result);
  });
  each("state", manifest.state, ({ schema, acceptedVersions }, at) => {
    add(`${at}/schema`, schema);
    for (const [version, ref] of Object.entries(acceptedVersions ?? {}))
      add(pointer(`${at}/acceptedVersions`, version), ref);
  });
  each("resources/kv", manifest.resources?.kv, ({ schema }, at) => add(`${at}/schema`, schema));
  each("errors", manifest.errors, ({ schema }, at) => add(`${at}/schema`, schema));
  return refs;
}

function sorted<T>(map: { readonly [name: string]: T } | undefined): readonly [string, T][] {
  return Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
