import { err, ok, type Result } from "@trellis/result";
import { recordAudit } from "../audit/audit.ts";
import type { ControlContext } from "../authority/context.ts";
import { type CommandError, notFound, refused } from "../command-error.ts";
import type { Actor, Instance } from "../tables.ts";

const SESSION_KEY = /^[A-Za-z0-9_-]{43}$/;

/** Lets a key run as a replica of a deployment. Saying it again changes nothing. */
export async function provisionInstance(
  context: ControlContext,
  input: { readonly deployment: string; readonly sessionKey: string; readonly label?: string; readonly by: Actor },
): Promise<Result<Instance, CommandError>> {
  const { registry, tables } = context;
  const { deployment, sessionKey, label, by } = input;
  if (!SESSION_KEY.test(sessionKey)) {
    return err(
      refused(
        "invalid_key",
        "That is not a session key.",
        "A session key is 43 characters of base64url; trellis keys new prints one.",
      ),
    );
  }
  const { result } = await registry.transact<Result<Instance, CommandError>>((tx) => {
    if (!tx.get(tables.deployments, deployment)) return err(notFound("deployment", deployment));
    const existing = tx.get(tables.instances, sessionKey);
    if (existing && existing.deployment === deployment) return ok(existing);
    if (existing) {
      return err(
        refused(
          "key_in_use",
          `This key is an instance of ${existing.deployment}.`,
          "Every deployment needs keys of its own: make one with trellis keys new.",
        ),
      );
    }
    if (tx.get(tables.revocations, sessionKey)) {
      return err(
        refused(
          "key_revoked",
          "This key was revoked, and a revoked key stays revoked.",
          "Make a new one with trellis keys new.",
        ),
      );
    }
    if (tx.get(tables.userKeys, sessionKey)) {
      return err(
        refused("key_in_use", "This key belongs to a user.", "Make one for the service with trellis keys new."),
      );
    }
    const now = context.now();
    const instance: Instance = {
      sessionKey,
      deployment,
      ...(label === undefined ? {} : { label }),
      enabled: true,
      createdAt: now,
      createdBy: by,
    };
    tx.put(tables.instances, sessionKey, instance);
    recordAudit(tx, tables.outbox, {
      now,
      actor: by,
      action: "instance.provision",
      target: deployment,
      detail: { sessionKey },
    });
    return ok(instance);
  });
  return result;
}

/** Stops a key from connecting, or lets it again; connections that are open are told by the change itself. */
export async function updateInstance(
  context: ControlContext,
  input: { readonly sessionKey: string; readonly enabled: boolean; readonly by: Actor },
): Promise<Result<Instance, CommandError>> {
  const { registry, tables } = context;
  const { result } = await registry.transact<Result<Instance, CommandError>>((tx) => {
    const instance = tx.get(tables.instances, input.sessionKey);
    if (!instance) return err(notFound("instance", input.sessionKey));
    if (instance.enabled === input.enabled) return ok(instance);
    const next: Instance = { ...instance, enabled: input.enabled };
    tx.put(tables.instances, input.sessionKey, next);
    recordAudit(tx, tables.outbox, {
      now: context.now(),
      actor: input.by,
      action: input.enabled ? "instance.enable" : "instance.disable",
      target: instance.deployment,
      detail: { sessionKey: input.sessionKey },
    });
    return ok(next);
  });
  return result;
}

/** Forgets a key: it cannot connect any more. */
export async function removeInstance(
  context: ControlContext,
  input: { readonly sessionKey: string; readonly by: Actor },
): Promise<Result<undefined, CommandError>> {
  const { registry, tables } = context;
  const { result } = await registry.transact<Result<undefined, CommandError>>((tx) => {
    const instance = tx.get(tables.instances, input.sessionKey);
    if (!instance) return err(notFound("instance", input.sessionKey));
    tx.delete(tables.instances, input.sessionKey);
    recordAudit(tx, tables.outbox, {
      now: context.now(),
      actor: input.by,
      action: "instance.remove",
      target: instance.deployment,
      detail: { sessionKey: input.sessionKey },
    });
    return ok();
  });
  return result;
}
