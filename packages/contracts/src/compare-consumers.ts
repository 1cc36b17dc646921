import type { ChangeList } from "./compare-changes.ts";
import { jsonKey } from "./json-equal.ts";
import type { EventConsumerManifest, Manifest } from "./manifest.ts";

/**
 * The groups that consume events. A group has a place in the stream: whatever may let it skip events, handle some again,
 * or handle them in another order, is breaking, because no later version takes it back.
 */
export function compareConsumers(older: Manifest, newer: Manifest, list: ChangeList): void {
  list.each("/eventConsumers", older.eventConsumers, newer.eventConsumers, {
    added: (group, at) => list.compatible(at, "added", `the event consumer ${group} is new`),
    removed: (group, at) =>
      list.breaking(
        at,
        "removed",
        ["the service"],
        `the event consumer ${group} is gone; what waits for it, and what comes, is handled by nobody`,
      ),
    both(group, at, before, after) {
      compareEvents(group, at, eventsOf(older, before), eventsOf(newer, after), list);
      if (before.replay !== after.replay)
        list.breaking(
          `${at}/replay`,
          "changed",
          ["the service"],
          `the event consumer ${group} is to begin with ${after.replay === "all" ? "the oldest event that is kept" : "what comes next"}: the group there is keeps its place, but one that has to be made again may handle events again or skip some`,
        );
      if (before.ordering !== after.ordering || (before.concurrency === 1 && after.concurrency > 1))
        list.breaking(
          `${at}/${before.ordering === after.ordering ? "concurrency" : "ordering"}`,
          "changed",
          ["the service"],
          `the event consumer ${group} no longer handles all events in their order, only those of one subject`,
        );
      else if (before.concurrency !== after.concurrency)
        list.compatible(
          `${at}/concurrency`,
          "changed",
          `the event consumer ${group} handles ${after.concurrency} at a time instead of ${before.concurrency}`,
        );
      if (jsonKey(retries(before)) !== jsonKey(retries(after)))
        list.compatible(at, "changed", `the event consumer ${group} waits and tries again differently`);
    },
  });
}

/** An event that joins begins with what is published from then on; one that leaves takes what waits with it. */
function compareEvents(
  group: string,
  at: string,
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
  list: ChangeList,
): void {
  const more = [...after].filter((event) => !before.has(event)).sort();
  const less = [...before].filter((event) => !after.has(event)).sort();
  if (more.length > 0)
    list.compatible(`${at}/events`, "added", `the event consumer ${group} also takes ${more.join(", ")}`);
  if (less.length > 0)
    list.breaking(
      `${at}/events`,
      "removed",
      ["the service"],
      `the event consumer ${group} no longer takes ${less.join(", ")}; what waits of it is skipped`,
    );
}

/** Events by the contract that owns them: an alias is only a name. */
function eventsOf(manifest: Manifest, { uses = {}, self = [] }: EventConsumerManifest): ReadonlySet<string> {
  const used = Object.entries(uses).flatMap(([alias, names]) => {
    const selection = manifest.uses?.required?.[alias] ?? manifest.uses?.optional?.[alias];
    return names.map((name) => `${name} of ${selection?.contract ?? alias}`);
  });
  return new Set([...self.map((name) => `its own ${name}`), ...used]);
}

function retries({ ackWaitMs, maxDeliver, backoffMs }: EventConsumerManifest) {
  return { ackWaitMs: ackWaitMs ?? null, maxDeliver: maxDeliver ?? null, backoffMs: [...(backoffMs ?? [])] };
}
