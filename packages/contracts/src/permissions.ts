import type { Bindings } from "./bindings.ts";
import type { Manifest } from "./manifest.ts";

/** One subject a connection may use, and the sentence that says why (`trellis why` prints it). */
export interface PermissionRule {
  readonly subject: string;
  /** Subscribe only as a member of this queue group. */
  readonly queue?: string;
  readonly reason: string;
}

/** Everything a connection may do. What is not listed is refused. */
export interface Permissions {
  readonly publish: readonly PermissionRule[];
  readonly subscribe: readonly PermissionRule[];
}

export interface DeriveInput {
  readonly manifest: Manifest;
  /** The active contracts behind the aliases that are *granted*; an alias that is absent grants nothing. */
  readonly uses: { readonly [alias: string]: Manifest };
  /** Global keys of the capabilities the principal holds. */
  readonly capabilities: ReadonlySet<string>;
  /** `_INBOX.<first 16 characters of the session key>`. */
  readonly inboxPrefix: string;
  readonly bindings: Bindings;
  /**
   * The deployments that serve each alias, by the names people gave them. Only transfers name a deployment in their
   * subjects; without this they are not granted.
   */
  readonly serviceNames?: { readonly [alias: string]: readonly string[] };
}
