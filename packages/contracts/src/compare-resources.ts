import type { ChangeList, Pair } from "./compare-changes.ts";
import { jsonKey } from "./json-equal.ts";
import type { KvManifest, Manifest, StateManifest, StoreManifest } from "./manifest.ts";

/** What the contract keeps: jobs waiting in queues, state, KV buckets and object stores. */
export function compareResources(older: Manifest, newer: Manifest, list: ChangeList): void {
  const pair = { older, newer };
  compareJobs(pair, list);
  compareState(pair, list);
  compareKv(pair, list);
  compareStores(pair, list);
}

function compareJobs(pair: Pair, list: ChangeList): void {
  list.each("/jobs", pair.older.jobs, pair.newer.jobs, {
    added: (name, at) => list.compatible(at, "added", `the job queue ${name} is new`),
    removed: (name, at) =>
      list.breaking(
        at,
        "removed",
        ["stored data"],
        `the job queue ${name} is gone; jobs that wait in it are never run`,
      ),
    both(name, at, before, after) {
      list.accepts(pair, `${at}/payload`, `the payload of ${name}`, before.payload, after.payload, ["stored data"]);
      list.emits(pair, `${at}/result`, `the result of ${name}`, before.result, after.result, ["observers"]);
      if (before.priorities === true && after.priorities === undefined)
        list.breaking(
          `${at}/priorities`,
          "removed",
          ["stored data"],
          `the queue ${name} has no priorities any more; jobs that wait with one are never run`,
        );
      const { payload: _p, result: _r, ...settings } = before;
      const { payload: _q, result: _s, ...changed } = after;
      if (jsonKey(settings) !== jsonKey(changed))
        list.compatible(at, "changed", `the queue ${name} is run with other settings`);
    },
  });
}

function compareState(pair: Pair, list: ChangeList): void {
  list.each<StateManifest>("/state", pair.older.state, pair.newer.state, {
    added: (name, at) => list.compatible(at, "added", `the state ${name} is new`),
    removed: (name, at) =>
      list.breaking(
        at,
        "removed",
        ["stored data"],
        `the state ${name} is gone; what is stored in it cannot be reached`,
      ),
    both(name, at, before, after) {
      if (before.kind !== after.kind)
        list.breaking(
          `${at}/kind`,
          "changed",
          ["stored data"],
          `the state ${name} changes from ${before.kind} to ${after.kind}`,
        );
      const written = before.stateVersion ?? "v1";
      const reads = written === (after.stateVersion ?? "v1") ? after.schema : own(after.acceptedVersions, written);
      if (reads === undefined)
        list.breaking(
          `${at}/stateVersion`,
          "changed",
          ["stored data"],
          `the state ${name} no longer reads what was written as ${written}`,
        );
      else list.accepts(pair, `${at}/schema`, `the state ${name}`, before.schema, reads, ["stored data"]);
      for (const [version, ref] of Object.entries(before.acceptedVersions ?? {})) {
        const still = version === (after.stateVersion ?? "v1") ? after.schema : own(after.acceptedVersions, version);
        const path = `${at}/acceptedVersions/${version}`;
        if (still === undefined)
          list.breaking(
            path,
            "removed",
            ["stored data"],
            `the state ${name} no longer reads what was written as ${version}`,
          );
        else list.accepts(pair, path, `version ${version} of the state ${name}`, ref, still, ["stored data"]);
      }
    },
  });
}

function compareKv(pair: Pair, list: ChangeList): void {
  list.each<KvManifest>("/resources/kv", pair.older.resources?.kv, pair.newer.resources?.kv, {
    added: (name, at) => list.compatible(at, "added", `the KV resource ${name} is new`),
    removed: (name, at) =>
      list.breaking(
        at,
        "removed",
        ["stored data"],
        `the KV resource ${name} is gone; its data stays until it is purged, but cannot be reached`,
      ),
    both(name, at, before, after) {
      const what = `the KV resource ${name}`;
      list.accepts(pair, `${at}/schema`, what, before.schema, after.schema, ["stored data"]);
      shrinks(
        `${at}/history`,
        `${what} keeps fewer old values of a key`,
        `${what} keeps more old values of a key`,
        before.history ?? 1,
        after.history ?? 1,
        list,
      );
      shrinks(
        `${at}/ttlMs`,
        `${what} forgets sooner`,
        `${what} remembers longer`,
        endless(before.ttlMs),
        endless(after.ttlMs),
        list,
      );
      shrinks(
        `${at}/maxValueBytes`,
        `${what} holds smaller values only`,
        `${what} holds larger values`,
        before.maxValueBytes ?? Infinity,
        after.maxValueBytes ?? Infinity,
        list,
      );
      words(what, at, before, after, list);
    },
  });
}

function compareStores(pair: Pair, list: ChangeList): void {
  list.each<StoreManifest>("/resources/store", pair.older.resources?.store, pair.newer.resources?.store, {
    added: (name, at) => list.compatible(at, "added", `the object store ${name} is new`),
    removed: (name, at) =>
      list.breaking(
        at,
        "removed",
        ["stored data"],
        `the object store ${name} is gone; its data stays until it is purged, but cannot be reached`,
      ),
    both(name, at, before, after) {
      const what = `the object store ${name}`;
      shrinks(
        `${at}/ttlMs`,
        `${what} forgets sooner`,
        `${what} remembers longer`,
        endless(before.ttlMs),
        endless(after.ttlMs),
        list,
      );
      shrinks(
        `${at}/maxTotalBytes`,
        `${what} becomes smaller`,
        `${what} becomes larger`,
        before.maxTotalBytes ?? Infinity,
        after.maxTotalBytes ?? Infinity,
        list,
      );
      shrinks(
        `${at}/maxObjectBytes`,
        `${what} holds smaller objects only`,
        `${what} holds larger objects`,
        before.maxObjectBytes ?? Infinity,
        after.maxObjectBytes ?? Infinity,
        list,
      );
      words(what, at, before, after, list);
    },
  });
}

function shrinks(path: string, less: string, more: string, before: number, after: number, list: ChangeList): void {
  if (after < before) list.breaking(path, "changed", ["stored data"], less);
  else if (after > before) list.compatible(path, "changed", more);
}

function words(
  what: string,
  at: string,
  before: { purpose: string; required?: boolean },
  after: { purpose: string; required?: boolean },
  list: ChangeList,
): void {
  if (before.purpose !== after.purpose) list.compatible(`${at}/purpose`, "changed", `${what} is described differently`);
  if ((before.required ?? true) !== (after.required ?? true))
    list.compatible(`${at}/required`, "changed", `${what} is ${after.required === false ? "no longer " : ""}required`);
}

function endless(ttlMs: number | undefined): number {
  return ttlMs === undefined || ttlMs === 0 ? Infinity : ttlMs;
}

function own<T>(map: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, name) ? map[name] : undefined;
}
