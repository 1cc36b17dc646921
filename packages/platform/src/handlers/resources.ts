import { err, ok } from "@trellis/result";
import type { resources } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import type { FoundResource } from "../resources/inventory.ts";
import type { ResourceStore } from "../resources/jetstream.ts";
import { decidePurge, uses } from "../resources/purge.ts";
import { actorOf, declared, type HandlersOf } from "./handler.ts";
import { page } from "./page.ts";

type Names = "Trellis.Resources.List" | "Trellis.Resources.Purge";

/** The reconciler hears of the decision at once; only when JetStream is away does it take longer. */
const PATIENCE_MS = 3_000;

/** What is kept for services: looking at all of it, and deleting what is released. */
export function resourceHandlers(
  context: ControlContext,
  store: Pick<ResourceStore, "inventory">,
): HandlersOf<typeof resources, Names> {
  const { tables } = context;
  const stateOf = ({ name, kind, owner }: FoundResource): "used" | "released" | "purging" => {
    if (tables.purges.get(name)) return "purging";
    const authority = tables.authorities.get(owner.deployment)?.value;
    return authority && uses(context, authority, kind, owner) ? "used" : "released";
  };
  return {
    "Trellis.Resources.List": async ({ input }) => {
      const { deployment, kind, state } = input;
      const matching = (await store.inventory())
        .filter(
          (one) =>
            (deployment === undefined || one.owner.deployment === deployment) &&
            (kind === undefined || one.kind === kind),
        )
        .map((one) => ({ ...one, state: stateOf(one) }))
        .filter((one) => state === undefined || (one.state === "used") === (state === "used"));
      const { items, ...more } = page(matching, ({ owner, name }) => `${owner.deployment} ${name}`, input);
      return ok({
        resources: items.map(
          ({ owner, kind: what, physical, bytes, entries, replicas, createdAt, changedAt, state: now }) => ({
            ...owner,
            kind: what,
            physical,
            state: now,
            bytes,
            entries,
            replicas,
            createdAt,
            ...(changedAt === undefined ? {} : { changedAt }),
          }),
        ),
        ...more,
      });
    },
    "Trellis.Resources.Purge": async ({ input, caller }) => {
      const { kind, ...rest } = input;
      const decided = await decidePurge(context, store, {
        ...rest,
        ...(kind === undefined ? {} : { kind }),
        by: actorOf(caller),
      });
      if (!decided.ok) return err(declared(decided.error));
      const { name, physical, kind: what } = decided.value;
      return ok({ physical, kind: what, done: await isGone(context, name) });
    },
  };
}

/** Whether the record of a purge goes away within the patience of whoever asked. */
function isGone({ registry, tables }: ControlContext, id: string): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (gone: boolean): void => {
      clearTimeout(timer);
      stop();
      resolve(gone);
    };
    const stop = registry.onChange(() => tables.purges.get(id) ?? end(true));
    const timer = setTimeout(end, PATIENCE_MS, false);
    if (!tables.purges.get(id)) end(true);
  });
}
