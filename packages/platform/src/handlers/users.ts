import { err, ok } from "@trellis/result";
import type { auth } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import { addUserKey, createUser, updateUser } from "../identity/user-commands.ts";
import type { User } from "../tables.ts";
import { actorOf, declared, type HandlersOf, isoTime } from "./handler.ts";
import { page } from "./page.ts";

type Names = "Auth.Users.List" | "Auth.Users.Create" | "Auth.Users.Update" | "Auth.Users.AddKey";

/** Users and the keys that act for them. */
export function userHandlers(context: ControlContext): HandlersOf<typeof auth, Names> {
  const { tables } = context;
  const view = (user: User) => ({
    id: user.id,
    name: user.name,
    active: user.active,
    groups: user.groups,
    keys: tables.userKeys
      .by("user", user.id)
      .map(({ id }) => id)
      .sort(),
    createdAt: isoTime(user.createdAt),
  });
  return {
    "Auth.Users.List": async ({ input }) => {
      const { items, ...more } = page(tables.users.all(), (entry) => entry.id, input);
      return ok({ users: items.map((entry) => view(entry.value)), ...more });
    },
    "Auth.Users.Create": async ({ input, caller }) => {
      const created = await createUser(context, {
        name: input.name,
        ...(input.groups === undefined ? {} : { groups: input.groups }),
        by: actorOf(caller),
      });
      return created.ok ? ok(view(created.value)) : err(declared(created.error));
    },
    "Auth.Users.Update": async ({ input, caller }) => {
      const { user, active, groups } = input;
      const updated = await updateUser(context, {
        user,
        ...(active === undefined ? {} : { active }),
        ...(groups === undefined ? {} : { groups }),
        by: actorOf(caller),
      });
      return updated.ok ? ok(view(updated.value)) : err(declared(updated.error));
    },
    "Auth.Users.AddKey": async ({ input, caller }) => {
      const added = await addUserKey(context, { user: input.user, key: input.key, by: actorOf(caller) });
      return added.ok ? ok(view(added.value)) : err(declared(added.error));
    },
  };
}
