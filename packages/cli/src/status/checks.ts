import { memberOf } from "../platform-client/ask-http.ts";

/** One thing a platform says about itself on `/readyz`. */
export interface Check {
  readonly name: string;
  readonly ready: boolean;
  readonly warning?: true;
  readonly detail?: string;
}

/** The checks of an answer of `/readyz`. */
export function readChecks(body: unknown): readonly Check[] {
  const checks = memberOf(body, "checks");
  if (!Array.isArray(checks)) return [];
  return checks.map((check: unknown) => {
    const detail = memberOf(check, "detail");
    return {
      name: String(memberOf(check, "name")),
      ready: memberOf(check, "ready") === true,
      ...(memberOf(check, "warning") === true ? { warning: true as const } : {}),
      ...(typeof detail === "string" ? { detail } : {}),
    };
  });
}
