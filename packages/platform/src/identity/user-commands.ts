import { err, ok, type Result } from "@trellis/result";
import { newId, recordAudit } from "../audit/audit.ts";
import type { ControlContext } from "../authority/context.ts";
import { type CommandError, notFound, refused } from "../command-error.ts";
import type { Transaction } from "../registry/registry.ts";
import type { Actor, User } from "../tables.ts";
import { ADMIN_GROUP } from "./user-capabilities.ts";

const PUBLIC_KEY = /^[A-Za-z0-9_-]{43}$/;

/** Makes the groups every platform has. Saying it again changes nothing. */
export async function ensureGroups(context: ControlContext): Promise<void> {
  await context.registry.transact((tx) => {
    if (tx.get(context.tables.groups, ADMIN_GROUP)) return;
    tx.put(context.tables.groups, ADMIN_GROUP, {
      name: ADMIN_GROUP,
      capabilities: ["admin"],
      everyCapability: true,
      createdAt: context.now(),
    });
  });
}

/** Makes a user. */
export async function createUser(
  context: ControlContext,
  input: { readonly name: string; readonly groups?: readonly string[]; readonly by: Actor },
): Promise<Result<User, CommandError>> {
  const { result } = await context.registry.transact<Result<User, CommandError>>((tx) => {
    if (tx.by(context.tables.users, "name", input.name).length > 0) {
      return err(
        refused("exists", `There is a user ${input.name} already.`, "Choose another name, or change that user."),
      );
    }
    const missing = missingGroup(context, tx, input.groups);
    if (missing) return err(missing);
    const now = context.now();
    const user: User = {
      id: newId(now),
      name: input.name,
      groups: [...(input.groups ?? [])],
      active: true,
      createdAt: now,
      createdBy: input.by,
    };
    tx.put(context.tables.users, user.id, user);
    recordAudit(tx, context.tables.outbox, {
      now,
      actor: input.by,
      action: "user.create",
      target: user.name,
      detail: { groups: user.groups },
    });
    return ok(user);
  });
  return result;
}

/** Changes whether a user may act, and what for. */
export async function updateUser(
  context: ControlContext,
  input: { readonly user: string; readonly active?: boolean; readonly groups?: readonly string[]; readonly by: Actor },
): Promise<Result<User, CommandError>> {
  const { result } = await context.registry.transact<Result<User, CommandError>>((tx) => {
    const user = findUser(context, tx, input.user);
    if (!user) return err(notFound("user", input.user));
    const missing = missingGroup(context, tx, input.groups);
    if (missing) return err(missing);
    const next: User = { ...user, active: input.active ?? user.active, groups: [...(input.groups ?? user.groups)] };
    const losesAdmin =
      user.active && user.groups.includes(ADMIN_GROUP) && !(next.active && next.groups.includes(ADMIN_GROUP));
    if (
      losesAdmin &&
      !tx.by(context.tables.users, "group", ADMIN_GROUP).some((other) => other.id !== user.id && other.value.active)
    ) {
      return err(
        refused(
          "last_admin",
          `${user.name} is the last active administrator.`,
          "Make somebody else one first, or nobody can undo this.",
        ),
      );
    }
    tx.put(context.tables.users, user.id, next);
    recordAudit(tx, context.tables.outbox, {
      now: context.now(),
      actor: input.by,
      action: "user.update",
      target: user.name,
      detail: { active: next.active, groups: next.groups },
    });
    return ok(next);
  });
  return result;
}

/** Registers a public key that may enrol sessions for its user. */
export async function addUserKey(
  context: ControlContext,
  input: { readonly user: string; readonly key: string; readonly label?: string; readonly by: Actor },
): Promise<Result<User, CommandError>> {
  const { tables } = context;
  if (!PUBLIC_KEY.test(input.key)) {
    return err(
      refused(
        "invalid_key",
        "That is not a public key.",
        "A key is 43 characters of base64url; trellis keys new prints one.",
      ),
    );
  }
  const { result } = await context.registry.transact<Result<User, CommandError>>((tx) => {
    const user = findUser(context, tx, input.user);
    if (!user) return err(notFound("user", input.user));
    const existing = tx.get(tables.userKeys, input.key);
    if (existing?.userId === user.id) return ok(user);
    if (existing || tx.get(tables.instances, input.key) || tx.get(tables.revocations, input.key)) {
      return err(
        refused("key_in_use", "This key belongs to somebody or was revoked.", "Make a new one with trellis keys new."),
      );
    }
    const now = context.now();
    tx.put(tables.userKeys, input.key, {
      key: input.key,
      userId: user.id,
      ...(input.label === undefined ? {} : { label: input.label }),
      enabled: true,
      createdAt: now,
      createdBy: input.by,
    });
    recordAudit(tx, tables.outbox, {
      now,
      actor: input.by,
      action: "user.addKey",
      target: user.name,
      detail: { key: input.key },
    });
    return ok(user);
  });
  return result;
}

/** The local developer: an ordinary user of the group `admin` with one key. Saying it again changes nothing. */
export async function ensureDeveloper(
  context: ControlContext,
  input: { readonly name: string; readonly key: string; readonly by: Actor },
): Promise<User> {
  await ensureGroups(context);
  const existing = context.tables.users.by("name", input.name)[0]?.value;
  if (!existing) {
    const created = await createUser(context, { name: input.name, groups: [ADMIN_GROUP], by: input.by });
    if (!created.ok && created.error.code !== "refused")
      throw new Error(`The developer user could not be made: ${created.error.code}`);
  }
  const added = await addUserKey(context, { user: input.name, key: input.key, label: "local developer", by: input.by });
  if (!added.ok)
    throw new Error(
      added.error.code === "refused"
        ? `${added.error.why} ${added.error.next}`
        : `The developer user ${input.name} went away while it was set up.`,
    );
  return added.value;
}

/** By id or by name: people type names. */
function findUser(context: ControlContext, tx: Transaction, reference: string): User | undefined {
  return tx.get(context.tables.users, reference) ?? tx.by(context.tables.users, "name", reference)[0]?.value;
}

function missingGroup(
  context: ControlContext,
  tx: Transaction,
  groups: readonly string[] | undefined,
): CommandError | undefined {
  const missing = groups?.find((name) => !tx.get(context.tables.groups, name));
  return missing === undefined ? undefined : notFound("group", missing);
}
