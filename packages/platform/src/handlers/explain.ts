import { type PermissionRule, subjectCovers } from "@trellis/contracts";
import { err, ok } from "@trellis/result";
import { type auth, NotFound } from "@trellis/sdk";
import { type Grants, permissionsOf } from "../authority/grants.ts";
import type { SessionDirectory } from "../identity/session-directory.ts";
import type { HandlersOf } from "./handler.ts";

/** Why a session may, or may not, use a subject. */
export function explainHandlers(
  directory: Pick<SessionDirectory, "grants" | "grantsByName">,
): HandlersOf<typeof auth, "Auth.Explain"> {
  return {
    "Auth.Explain": async ({ input }) => {
      const { session, subject } = input;
      const found = (await directory.grants(session)) ?? (await directory.grantsByName(session));
      if (!found) return err(new NotFound({ kind: "session", name: session }));
      if (!found.ok) {
        return ok({
          session,
          principal: "",
          contractId: "",
          publish: false,
          subscribe: false,
          rules: [],
          message: `This session gets no credentials: ${found.error.message}`,
        });
      }
      const grants = found.value;
      const permissions = permissionsOf(grants);
      const publish = permissions.publish.filter((rule) => subjectCovers(rule.subject, subject));
      const subscribe = permissions.subscribe.filter((rule) => subjectCovers(rule.subject, subject));
      return ok({
        session: grants.sessionKey,
        principal: grants.principal.name,
        contractId: grants.contractId,
        publish: publish.length > 0,
        subscribe: subscribe.length > 0,
        rules: [
          ...publish.map((rule) => ruleLine("publish", rule)),
          ...subscribe.map((rule) => ruleLine("subscribe", rule)),
        ],
        message: explain(grants, subject, publish.length > 0, subscribe.length > 0),
      });
    },
  };
}

function ruleLine(direction: "publish" | "subscribe", { subject, queue, reason }: PermissionRule) {
  return { direction, subject, ...(queue === undefined ? {} : { queue }), reason };
}

function explain(grants: Grants, subject: string, publish: boolean, subscribe: boolean): string {
  const who = `${grants.principal.name} with ${grants.contractId}`;
  if (publish && subscribe) return `${who} may publish and subscribe to ${subject}.`;
  if (publish) return `${who} may publish to ${subject}, and not subscribe to it.`;
  if (subscribe) return `${who} may subscribe to ${subject}, and not publish to it.`;
  return `${who} may not use ${subject}: nothing in the contract covers it, or a capability is missing. Add the surface to \`uses\` (or declare it), and see which groups hold its capability.`;
}
