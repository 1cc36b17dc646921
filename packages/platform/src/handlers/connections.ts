import { err, ok } from "@trellis/result";
import { type auth, NotFound } from "@trellis/sdk";
import type { Access } from "../callout/access.ts";
import { type Connections, describeConnection } from "../callout/connections.ts";
import type { HandlersOf } from "./handler.ts";
import { page } from "./page.ts";

/** Live connections, and the question services ask about a caller they do not know yet. */
export function connectionHandlers(
  access: Pick<Access, "kick" | "validate">,
  connections: Connections,
): HandlersOf<typeof auth, "Auth.Connections.List" | "Auth.Connections.Kick" | "Auth.Requests.Validate"> {
  return {
    "Auth.Requests.Validate": async ({ input, caller }) => {
      const { capabilities, ...answer } = await access.validate(input, caller.sessionKey);
      return ok({ ...answer, ...(capabilities === undefined ? {} : { capabilities: [...capabilities] }) });
    },
    "Auth.Connections.List": async ({ input }) => {
      const { sessionKey } = input;
      const found = sessionKey === undefined ? connections.all() : connections.ofSession(sessionKey);
      const { items, ...more } = page(found, ({ id }) => id, input);
      return ok({ connections: items.map(describeConnection), ...more });
    },
    "Auth.Connections.Kick": async ({ input, caller }) => {
      const { id, sessionKey } = input;
      const which = id !== undefined ? { id } : sessionKey !== undefined ? { sessionKey } : undefined;
      if (!which) return err(new NotFound({ kind: "connection", name: "without an id or a session key" }));
      const kicked = await access.kick(which, `kicked by ${caller.name}`);
      return kicked > 0 ? ok({ kicked }) : err(new NotFound({ kind: "connection", name: id ?? sessionKey ?? "" }));
    },
  };
}
