import { err, ok } from "@trellis/result";
import type { auth } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import { provisionInstance, removeInstance, updateInstance } from "../deployments/instance-commands.ts";
import type { Instance } from "../tables.ts";
import { actorOf, declared, type HandlersOf, isoTime } from "./handler.ts";
import { page } from "./page.ts";

type Names = "Auth.Instances.Provision" | "Auth.Instances.List" | "Auth.Instances.Update" | "Auth.Instances.Remove";

/** Instances: the keys replicas of a deployment run with. */
export function instanceHandlers(context: ControlContext): HandlersOf<typeof auth, Names> {
  const { tables, liveness, registry } = context;
  const view = (instance: Instance) => ({
    sessionKey: instance.sessionKey,
    deployment: instance.deployment,
    name: instance.label ?? instance.deployment,
    enabled: instance.enabled,
    live: liveness.connected(instance.sessionKey),
    createdAt: isoTime(instance.createdAt),
    createdBy: instance.createdBy.name,
  });
  return {
    "Auth.Instances.Provision": async ({ input, caller }) => {
      const { deployment, sessionKey, name } = input;
      const made = await provisionInstance(context, {
        deployment,
        sessionKey,
        ...(name === undefined ? {} : { label: name }),
        by: actorOf(caller),
      });
      return made.ok ? ok(view(made.value)) : err(declared(made.error));
    },
    "Auth.Instances.List": async ({ input }) => {
      const all =
        input.deployment === undefined ? tables.instances.all() : tables.instances.by("deployment", input.deployment);
      const { items, ...more } = page(all, (entry) => entry.id, input);
      return ok({ instances: items.map((entry) => view(entry.value)), ...more });
    },
    "Auth.Instances.Update": async ({ input, caller }) => {
      const updated = await updateInstance(context, { ...input, by: actorOf(caller) });
      return updated.ok ? ok(view(updated.value)) : err(declared(updated.error));
    },
    "Auth.Instances.Remove": async ({ input, caller }) => {
      const removed = await removeInstance(context, { ...input, by: actorOf(caller) });
      return removed.ok ? ok({ revision: registry.revision }) : err(declared(removed.error));
    },
  };
}
