import { contractName, type Manifest } from "@trellis/contracts";
import { err, ok, type Result } from "@trellis/result";
import { recordAudit } from "../audit/audit.ts";
import type { ControlContext } from "../authority/context.ts";
import { type CommandError, notFound, refused } from "../command-error.ts";
import type { Actor, Authority } from "../tables.ts";
import type { FoundResource } from "./inventory.ts";
import type { ResourceStore } from "./jetstream.ts";
import { OPERATIONS_ALIAS, type Owner, type Resource } from "./resource-plan.ts";

/**
 * Deleting what is released, in two steps that may be cut anywhere:
 * 1. The decision is a record, stored together with its audit record, on the condition that nobody uses the resource.
 * 2. The reconciler deletes what the record names, then the record. It does so before it makes anything, so that a
 *    contract accepted later gets its resource anew instead of one that is about to go.
 */
export async function decidePurge(
  context: ControlContext,
  store: Pick<ResourceStore, "inventory">,
  input: {
    readonly deployment: string;
    readonly alias: string;
    readonly kind?: Resource["kind"];
    readonly acknowledge: string;
    readonly by: Actor;
  },
): Promise<Result<FoundResource, CommandError>> {
  const { deployment, alias, kind, acknowledge, by } = input;
  // A queue has a consumer for each of its priorities, named after the first; they go together.
  const all = (await store.inventory())
    .filter(
      ({ owner, ...one }) =>
        owner.deployment === deployment && owner.alias === alias && (kind === undefined || one.kind === kind),
    )
    .sort((one, other) => one.physical.length - other.physical.length);
  const [found] = all;
  if (!found) return err(notFound("resource", `${alias} of ${deployment}`));
  const another = all.find((one) => one.kind !== found.kind);
  if (another) {
    return err(
      refused(
        "ambiguous",
        `${alias} of ${deployment} is a ${found.kind} and a ${another.kind}.`,
        `Say which: --kind ${found.kind}`,
      ),
    );
  }
  const again = `trellis svc purge ${deployment} ${alias} --acknowledge ${found.physical}`;
  const { registry, tables } = context;
  const { result } = await registry.transact<Result<FoundResource, CommandError>>((tx) => {
    const authority = tx.get(tables.authorities, deployment);
    if (authority && uses(context, authority, found.kind, found.owner)) {
      return err(
        refused(
          "in_use",
          `${alias} is in use: the contract accepted for ${deployment} names it.`,
          "Only what is released can be purged: have a contract without it accepted, or remove the deployment.",
        ),
      );
    }
    if (acknowledge !== found.physical) {
      return err(
        refused(
          "acknowledge_required",
          `This deletes ${found.physical} for good: ${found.entries} entries, ${found.bytes} bytes, made at ${found.createdAt}.`,
          `If that is what you want: ${again}`,
        ),
      );
    }
    const undecided = all.filter(({ name }) => !tx.get(tables.purges, name));
    if (undecided.length === 0) return ok(found);
    const now = context.now();
    for (const { name, createdAt } of undecided)
      tx.put(tables.purges, name, { kind: found.kind, deployment, alias, createdAt, at: now, by });
    recordAudit(tx, tables.outbox, {
      now,
      actor: by,
      action: "resource.purge",
      target: deployment,
      detail: { alias, kind: found.kind, physical: found.physical, bytes: found.bytes, entries: found.entries },
    });
    return ok(found);
  });
  return result;
}

/** Carries out what was decided; answers how much that was. */
export async function carryOutPurges(context: ControlContext, store: Pick<ResourceStore, "remove">): Promise<number> {
  const { registry, tables } = context;
  const decided = [...tables.purges.all()];
  for (const { id, value } of decided) {
    await store.remove(id, value);
    await registry.transact((tx) => tx.delete(tables.purges, id));
  }
  return decided.length;
}

/** Whether a resource still belongs to something a deployment may run: what was accepted, or what is in force. */
export function uses(
  context: ControlContext,
  { desired, materialized }: Authority,
  kind: Resource["kind"],
  { lineage, alias }: Owner,
): boolean {
  return [desired, materialized].some((contract) => {
    if (contract === undefined || contractName(contract.contractId) !== lineage) return false;
    const manifest = context.catalog.manifest(contract.digest);
    // Unknown is no reason to delete.
    return manifest === undefined || Object.hasOwn(declared(manifest, kind), alias);
  });
}

function declared(manifest: Manifest, kind: Resource["kind"]): object {
  if (kind === "kv") return manifest.resources?.kv ?? {};
  if (kind === "store") return manifest.resources?.store ?? {};
  if (kind === "operations" || kind === "operationsWork")
    return manifest.operations === undefined ? {} : { [OPERATIONS_ALIAS]: true };
  return (kind === "jobs" ? manifest.jobs : manifest.eventConsumers) ?? {};
}
