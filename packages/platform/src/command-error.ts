/** Why a command did nothing, as data; handlers turn it into the contract's declared errors. */
export type CommandError =
  | { readonly code: "not_found"; readonly kind: string; readonly name: string }
  | { readonly code: "refused"; readonly reason: string; readonly why: string; readonly next: string };

/** What was named does not exist. */
export function notFound(kind: string, name: string): CommandError {
  return { code: "not_found", kind, name };
}

/** What was asked does not fit the present state: why, and what would. */
export function refused(reason: string, why: string, next: string): CommandError {
  return { code: "refused", reason, why, next };
}
