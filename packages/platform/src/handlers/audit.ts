import { ok } from "@trellis/result";
import type { auth } from "@trellis/sdk";
import type { AuditLog } from "../audit/audit.ts";
import { type HandlersOf, isoTime } from "./handler.ts";

/** As many as a screen shows. */
const DEFAULT_LIMIT = 100;

/** Who changed what. */
export function auditHandlers(log: Pick<AuditLog, "list">): HandlersOf<typeof auth, "Auth.Audit.List"> {
  return {
    "Auth.Audit.List": async ({ input }) => {
      const { limit = DEFAULT_LIMIT, ...filter } = input;
      const { records, ...more } = await log.list({ ...filter, limit });
      return ok({
        records: records.map(({ id, at, actor, action, target, detail }) => ({
          id,
          at: isoTime(at),
          actor: actor.name,
          action,
          target,
          ...(detail === undefined ? {} : { detail }),
        })),
        ...more,
      });
    },
  };
}
