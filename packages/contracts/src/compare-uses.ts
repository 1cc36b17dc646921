import type { ChangeList } from "./compare-changes.ts";
import type { Manifest, UseSelection } from "./manifest.ts";

/**
 * What the contract takes from others. It breaks nobody who depends on this contract, but it is authority somebody
 * has to grant, so every difference is named.
 */
export function compareUses(older: Manifest, newer: Manifest, list: ChangeList): void {
  for (const level of ["required", "optional"] as const) {
    list.each<UseSelection>(`/uses/${level}`, older.uses?.[level], newer.uses?.[level], {
      added: (alias, at, { contract }) => list.compatible(at, "added", `it uses ${contract} as ${alias} (${level})`),
      removed: (alias, at, { contract }) =>
        list.compatible(at, "removed", `it no longer uses ${contract} as ${alias} (${level})`),
      both(alias, at, before, after) {
        if (before.contract !== after.contract)
          list.compatible(
            `${at}/contract`,
            "changed",
            `its alias ${alias} is now ${after.contract} instead of ${before.contract}`,
          );
        for (const [path, what, was, is] of selectors(before, after))
          selections(`${at}/${path}`, `${what} of ${after.contract}`, was, is, list);
      },
    });
  }
}

type Selector = readonly [
  path: string,
  what: string,
  before: readonly string[] | undefined,
  after: readonly string[] | undefined,
];

function selectors(before: UseSelection, after: UseSelection): readonly Selector[] {
  return [
    ["rpc/call", "calls", before.rpc?.call, after.rpc?.call],
    ["operations/call", "calls", before.operations?.call, after.operations?.call],
    ["events/publish", "publishes", before.events?.publish, after.events?.publish],
    ["events/subscribe", "subscribes to", before.events?.subscribe, after.events?.subscribe],
    ["feeds/subscribe", "reads", before.feeds?.subscribe, after.feeds?.subscribe],
  ];
}

function selections(
  path: string,
  what: string,
  before: readonly string[] = [],
  after: readonly string[] = [],
  list: ChangeList,
): void {
  const [verb = "", ...rest] = what.split(" of ");
  const of = rest.join(" of ");
  const more = after.filter((name) => !before.includes(name));
  const less = before.filter((name) => !after.includes(name));
  if (more.length > 0) list.compatible(path, "added", `it ${verb} ${more.join(", ")} of ${of}`);
  if (less.length > 0) list.compatible(path, "removed", `it no longer ${verb} ${less.join(", ")} of ${of}`);
}
