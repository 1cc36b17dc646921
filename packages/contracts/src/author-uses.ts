/** From `uses` as authored to `uses` in the manifest: selections checked, baseline uses added. */
import type { AuthoredUses, Authoring, Draft } from "./authoring.ts";
import { show } from "./authoring.ts";
import { baselineUses } from "./baseline.ts";
import type { BaselineUse } from "./baseline.ts";
import type { AnyContract } from "./contract.ts";
import type { ContractKind, Manifest, UseSelection } from "./manifest.ts";
import { isRecord, pointer } from "./schema-problems.ts";

const GROUPS = ["required", "optional"] as const;

/** Which list of a selection speaks of which surfaces. */
const SELECTIONS: { readonly [surface: string]: readonly string[] } = {
  rpc: ["call"],
  operations: ["call"],
  events: ["publish", "subscribe"],
  feeds: ["subscribe"],
};

/** Reads `uses`, reporting whatever does not exist. */
export function authorUses(
  authoring: Authoring,
  value: unknown,
  owner: { readonly id: string; readonly kind: ContractKind; readonly state: boolean },
): AuthoredUses {
  const uses: AuthoredUses = { required: {}, optional: {}, contracts: {} };
  for (const [group, aliases] of authoring.entries(value, "/uses")) {
    const path = pointer("/uses", group);
    if (group !== "required" && group !== "optional") {
      authoring.problem(
        path,
        `the alias "${group}" is neither required nor optional`,
        `write uses: { required: { ${group}: … } }, or optional if the contract can live without it`,
      );
      continue;
    }
    for (const [alias, use] of authoring.entries(aliases, path))
      authorUse(authoring, uses, { group, alias, use, path: pointer(path, alias) });
  }
  for (const alias of Object.keys(uses.required)) delete uses.optional[alias];
  for (const baseline of baselineUses(owner.kind, owner.id, owner)) addBaseline(authoring, uses, baseline);
  reportSharedNames(authoring, uses);
  return uses;
}

interface AliasEntry {
  readonly group: (typeof GROUPS)[number];
  readonly alias: string;
  readonly use: unknown;
  readonly path: string;
}

function authorUse(authoring: Authoring, uses: AuthoredUses, { group, alias, use, path }: AliasEntry): void {
  if (!isRecord(use) || !isContract(use.contract)) {
    authoring.problem(
      path,
      `${show(use)} does not come from a contract`,
      `write ${alias}: otherContract.use({ rpc: { call: ["Name"] } })`,
    );
    return;
  }
  const selection: Draft = { contract: use.contract.id };
  const surfaces = authoring.members(use.selection, path, Object.keys(SELECTIONS), "a selection");
  for (const [surface, lists] of Object.entries(surfaces)) {
    const at = pointer(path, surface);
    const selected: Draft = {};
    for (const [action, list] of Object.entries(
      authoring.members(lists, at, SELECTIONS[surface] ?? [], `the selection of ${surface}`),
    )) {
      const known = {
        names: Object.keys(surfacesOf(use.contract.manifest, surface)),
        otherwise: `${use.contract.id} has no ${surface}`,
      };
      const names = authoring.names(
        list,
        pointer(at, action),
        known,
        `${use.contract.id} has no ${SINGULAR[surface] ?? surface}`,
      );
      if (names.length > 0) selected[action] = names;
    }
    if (Object.keys(selected).length > 0) selection[surface] = selected;
  }
  // The members were written just above in the shape of a selection; parsing checks them again.
  uses[group][alias] = selection as unknown as UseSelection;
  uses.contracts[alias] = use.contract;
}

const SINGULAR: { readonly [surface: string]: string } = {
  rpc: "RPC",
  operations: "operation",
  events: "event",
  feeds: "feed",
};

function isContract(value: unknown): value is AnyContract {
  return isRecord(value) && typeof value.id === "string" && isRecord(value.manifest);
}

function surfacesOf(manifest: Manifest, surface: string): object {
  switch (surface) {
    case "rpc":
      return manifest.rpc ?? {};
    case "operations":
      return manifest.operations ?? {};
    case "events":
      return manifest.events ?? {};
    default:
      return manifest.feeds ?? {};
  }
}

/** Merges with the author's required alias of the same contract, or adds an alias of its own. */
function addBaseline(authoring: Authoring, uses: AuthoredUses, baseline: BaselineUse): void {
  const own = Object.entries(uses.required).find(([, selection]) => selection.contract === baseline.selection.contract);
  if (own !== undefined) {
    uses.required[own[0]] = mergeSelections(own[1], baseline.selection);
    return;
  }
  const alias = [baseline.alias, baseline.fallbackAlias].find(
    (name) => !(name in uses.required) && !(name in uses.optional),
  );
  if (alias === undefined) {
    authoring.problem(
      "/uses",
      `the aliases "${baseline.alias}" and "${baseline.fallbackAlias}" are both taken, and ${baseline.selection.contract} needs one of them`,
      "rename one of the two",
    );
    return;
  }
  uses.required[alias] = baseline.selection;
}

function mergeSelections(own: UseSelection, baseline: UseSelection): UseSelection {
  const events = {
    publish: union(own.events?.publish, baseline.events?.publish),
    subscribe: union(own.events?.subscribe, baseline.events?.subscribe),
  };
  const rpc = union(own.rpc?.call, baseline.rpc?.call);
  const feeds = union(own.feeds?.subscribe, baseline.feeds?.subscribe);
  return {
    ...own,
    ...(rpc.length > 0 ? { rpc: { call: rpc } } : {}),
    ...(feeds.length > 0 ? { feeds: { subscribe: feeds } } : {}),
    ...(events.publish.length + events.subscribe.length > 0
      ? {
          events: {
            ...(events.publish.length > 0 ? { publish: events.publish } : {}),
            ...(events.subscribe.length > 0 ? { subscribe: events.subscribe } : {}),
          },
        }
      : {}),
  };
}

function union(a: readonly string[] = [], b: readonly string[] = []): readonly string[] {
  return [...new Set([...a, ...b])];
}

/** `client.request("Orders.Get")` must have one meaning. */
function reportSharedNames(authoring: Authoring, uses: AuthoredUses): void {
  const owners = new Map<string, string>();
  const aliases = GROUPS.flatMap((group) =>
    Object.entries(uses[group])
      .filter(([alias]) => alias in uses.contracts)
      .map(([alias, selection]) => ({ group, alias, selection })),
  );
  for (const { group, alias, selection } of aliases) {
    const lists = [
      ["rpc", "call", selection.rpc?.call],
      ["operations", "call", selection.operations?.call],
      ["events", "publish", selection.events?.publish],
      ["events", "subscribe", selection.events?.subscribe],
      ["feeds", "subscribe", selection.feeds?.subscribe],
    ] as const;
    for (const [surface, action, names] of lists) {
      for (const name of new Set(names)) {
        const key = `${surface} ${action} ${name}`;
        const first = owners.get(key);
        if (first === undefined) owners.set(key, alias);
        else
          authoring.problem(
            `/uses/${group}/${alias}/${surface}/${action}`,
            `the aliases "${first}" and "${alias}" both give ${name}, so the name alone does not say which is meant`,
            `take ${name} from one of the two only`,
          );
      }
    }
  }
}
