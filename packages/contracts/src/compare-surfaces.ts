import type { Broken, ChangeList, Pair } from "./compare-changes.ts";
import { jsonKey } from "./json-equal.ts";
import type { Manifest, OperationManifest, RpcManifest } from "./manifest.ts";

/** What others talk to: RPCs, operations, events and feeds, and the errors they may answer with. */
export function compareSurfaces(older: Manifest, newer: Manifest, list: ChangeList): void {
  const pair = { older, newer };
  compareRpc(pair, list);
  compareOperations(pair, list);
  compareEvents(pair, list);
  compareFeeds(pair, list);
  compareErrors(pair, list);
}

function compareRpc(pair: Pair, list: ChangeList): void {
  list.each<RpcManifest>("/rpc", pair.older.rpc, pair.newer.rpc, {
    added: (name, at) => list.compatible(at, "added", `the RPC ${name} is new`),
    removed: (name, at) => list.breaking(at, "removed", ["callers"], `the RPC ${name} is gone`),
    both(name, at, before, after) {
      subject(`the RPC ${name}`, at, before, after, ["callers"], list);
      list.accepts(pair, `${at}/input`, `the input of ${name}`, before.input, after.input, ["callers"]);
      list.emits(pair, `${at}/output`, `the output of ${name}`, before.output, after.output, ["callers"]);
      requirement(
        `calling ${name}`,
        `${at}/capabilities/call`,
        before.capabilities?.call,
        after.capabilities?.call,
        ["callers"],
        list,
      );
      transfer(`the RPC ${name}`, at, before.transfer, after.transfer, list);
      if (jsonKey(before.errors) !== jsonKey(after.errors)) {
        list.compatible(
          `${at}/errors`,
          "changed",
          `${name} may answer with other errors; callers see an unknown type as a RemoteError`,
        );
      }
      if (before.once !== after.once) {
        list.compatible(
          `${at}/once`,
          "changed",
          after.once === true
            ? `a request of ${name} is accepted once across replicas`
            : `a request of ${name} is accepted once per replica only`,
        );
      }
    },
  });
}

function compareOperations(pair: Pair, list: ChangeList): void {
  list.each<OperationManifest>("/operations", pair.older.operations, pair.newer.operations, {
    added: (name, at) => list.compatible(at, "added", `the operation ${name} is new`),
    removed: (name, at) => list.breaking(at, "removed", ["callers", "observers"], `the operation ${name} is gone`),
    both(name, at, before, after) {
      subject(`the operation ${name}`, at, before, after, ["callers", "observers"], list);
      list.accepts(pair, `${at}/input`, `the input of ${name}`, before.input, after.input, ["callers", "stored data"]);
      list.emits(pair, `${at}/progress`, `the progress of ${name}`, before.progress, after.progress, ["observers"]);
      list.emits(pair, `${at}/output`, `the output of ${name}`, before.output, after.output, ["callers", "observers"]);
      operationCapabilities(name, at, before, after, list);
      operationRules(name, at, before, after, list);
      transfer(`the operation ${name}`, at, before.transfer, after.transfer, list);
      list.each(`${at}/signals`, before.signals, after.signals, {
        added: (signal, signalAt) => list.compatible(signalAt, "added", `${name} takes the signal ${signal}`),
        removed: (signal, signalAt) =>
          list.breaking(signalAt, "removed", ["callers"], `${name} no longer takes the signal ${signal}`),
        both: (signal, signalAt, was, is) =>
          list.accepts(pair, `${signalAt}/input`, `the input of the signal ${signal} of ${name}`, was.input, is.input, [
            "callers",
          ]),
      });
    },
  });
}

/** What a running operation follows; none of it is what a caller sent or reads. */
function operationRules(
  name: string,
  at: string,
  before: OperationManifest,
  after: OperationManifest,
  list: ChangeList,
): void {
  const rules = {
    errors: `${name} may fail with other errors; callers see an unknown type as a RemoteError`,
    maxAttempts: `${name} is tried another number of times`,
    backoffMs: `${name} pauses differently between attempts`,
    defaultDeadlineMs: `${name} has another time to finish in`,
    retentionMs: `what became of ${name} is kept for another time`,
  } as const;
  for (const rule of ["errors", "maxAttempts", "backoffMs", "defaultDeadlineMs", "retentionMs"] as const)
    if (jsonKey(before[rule]) !== jsonKey(after[rule])) list.compatible(`${at}/${rule}`, "changed", rules[rule]);
}

function operationCapabilities(
  name: string,
  at: string,
  before: OperationManifest,
  after: OperationManifest,
  list: ChangeList,
): void {
  const was = before.capabilities;
  const is = after.capabilities;
  const path = `${at}/capabilities`;
  requirement(`starting ${name}`, `${path}/call`, was?.call, is?.call, ["callers"], list);
  requirement(
    `observing ${name}`,
    `${path}/observe`,
    was?.observe ?? was?.call,
    is?.observe ?? is?.call,
    ["observers"],
    list,
  );
  requirement(`signalling ${name}`, `${path}/control`, was?.control, is?.control, ["callers"], list);
  const could = was?.cancel !== undefined && before.cancel !== false;
  const can = is?.cancel !== undefined && after.cancel !== false;
  if (could && !can) list.breaking(`${path}/cancel`, "removed", ["callers"], `callers can no longer cancel ${name}`);
  else if (!could && can) list.compatible(`${path}/cancel`, "added", `callers can cancel ${name}`);
  else if (could && can) requirement(`cancelling ${name}`, `${path}/cancel`, was.cancel, is.cancel, ["callers"], list);
  else if (before.cancel !== after.cancel)
    list.compatible(
      `${at}/cancel`,
      "changed",
      `${name} says differently whether it can be cancelled; callers cannot either way`,
    );
}

function compareEvents(pair: Pair, list: ChangeList): void {
  list.each("/events", pair.older.events, pair.newer.events, {
    added: (name, at) => list.compatible(at, "added", `the event ${name} is new`),
    removed: (name, at) => list.breaking(at, "removed", ["publishers", "subscribers"], `the event ${name} is gone`),
    both(name, at, before, after) {
      subject(`the event ${name}`, at, before, after, ["publishers", "subscribers"], list);
      list.emits(pair, `${at}/event`, `the event ${name}`, before.event, after.event, ["subscribers"]);
      // Only an event that says who may publish it is published by others than its owner.
      if (before.capabilities?.publish !== undefined)
        list.accepts(pair, `${at}/event`, `the event ${name}`, before.event, after.event, ["publishers"]);
      requirement(
        `publishing ${name}`,
        `${at}/capabilities/publish`,
        before.capabilities?.publish,
        after.capabilities?.publish,
        ["publishers"],
        list,
      );
      requirement(
        `subscribing to ${name}`,
        `${at}/capabilities/subscribe`,
        before.capabilities?.subscribe,
        after.capabilities?.subscribe,
        ["subscribers"],
        list,
      );
    },
  });
}

function compareFeeds(pair: Pair, list: ChangeList): void {
  list.each("/feeds", pair.older.feeds, pair.newer.feeds, {
    added: (name, at) => list.compatible(at, "added", `the feed ${name} is new`),
    removed: (name, at) => list.breaking(at, "removed", ["subscribers"], `the feed ${name} is gone`),
    both(name, at, before, after) {
      subject(`the feed ${name}`, at, before, after, ["subscribers"], list);
      list.accepts(pair, `${at}/input`, `the input of ${name}`, before.input, after.input, ["subscribers"]);
      list.emits(pair, `${at}/event`, `the frames of ${name}`, before.event, after.event, ["subscribers"]);
      requirement(
        `reading ${name}`,
        `${at}/capabilities/subscribe`,
        before.capabilities?.subscribe,
        after.capabilities?.subscribe,
        ["subscribers"],
        list,
      );
    },
  });
}

function compareErrors(pair: Pair, list: ChangeList): void {
  list.each("/errors", pair.older.errors, pair.newer.errors, {
    added: (name, at) =>
      list.compatible(at, "added", `the error ${name} is new; callers that do not know it see a RemoteError`),
    removed: (name, at) => list.compatible(at, "removed", `the error ${name} is gone`),
    both(name, at, before, after) {
      if (before.type !== after.type)
        list.breaking(
          `${at}/type`,
          "changed",
          ["callers"],
          `the error ${name} changes its type from ${before.type} to ${after.type}`,
        );
      list.emits(pair, `${at}/schema`, `the fields of the error ${name}`, before.schema, after.schema, ["callers"]);
    },
  });
}

function subject(
  what: string,
  at: string,
  before: { readonly subject: string },
  after: { readonly subject: string },
  breaks: readonly Broken[],
  list: ChangeList,
): void {
  if (before.subject !== after.subject)
    list.breaking(`${at}/subject`, "changed", breaks, `${what} moves from ${before.subject} to ${after.subject}`);
}

/** Asking for more shuts somebody out; asking for less lets somebody in, which a reviewer should see. */
function requirement(
  what: string,
  path: string,
  before: readonly string[] | undefined,
  after: readonly string[] | undefined,
  breaks: readonly Broken[],
  list: ChangeList,
): void {
  const had = new Set(before ?? []);
  const has = new Set(after ?? []);
  const more = [...has].filter((key) => !had.has(key));
  const less = [...had].filter((key) => !has.has(key));
  if (more.length > 0) list.breaking(path, "changed", breaks, `${what} now needs ${more.join(" and ")}`);
  if (less.length > 0) list.compatible(path, "changed", `${what} no longer needs ${less.join(" and ")}`);
}

function transfer(what: string, at: string, before: unknown, after: unknown, list: ChangeList): void {
  if (jsonKey(before) === jsonKey(after)) return;
  const kind = before === undefined ? "added" : after === undefined ? "removed" : "changed";
  list.breaking(`${at}/transfer`, kind, ["callers"], `${what} transfers bytes differently`);
}
