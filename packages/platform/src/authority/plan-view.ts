/**
 * What a plan would do, as data: people and programs read the same value, nothing is computed while it is shown.
 */
export interface PlanView {
  readonly kind: "update" | "migration";
  readonly deployment: string;
  readonly contractId: string;
  readonly displayName: string;
  /** Absent when the deployment has no accepted contract yet. */
  readonly from?: string;
  readonly to: string;
  readonly surfaces: readonly SurfaceChange[];
  readonly resources: readonly ResourceChange[];
  readonly requirements: readonly Requirement[];
  /** Capabilities the deployment itself would hold, by what its uses need. */
  readonly capabilities: { readonly added: readonly string[]; readonly removed: readonly string[] };
  readonly permissions: readonly PermissionChange[];
  readonly breaks: readonly Break[];
  /** What makes acceptance impossible now; empty when it can be accepted. */
  readonly blockers: readonly Blocker[];
}

export interface SurfaceChange {
  readonly action: "add" | "remove" | "change";
  readonly kind: string;
  readonly name: string;
  readonly detail: string;
  readonly subjects: readonly string[];
  /** `call needs orders::write` and the like, by action. */
  readonly capabilities: readonly { readonly action: string; readonly needs: readonly string[] }[];
  readonly breaking: boolean;
}

export interface ResourceChange {
  readonly action: "add" | "release" | "change";
  readonly kind: "kv" | "store" | "eventConsumer" | "jobs" | "operations" | "operationsWork" | "operationsConsumer";
  readonly alias: string;
  readonly physical: string;
  readonly detail: string;
  readonly limits: { readonly [name: string]: number };
}

export interface Requirement {
  readonly alias: string;
  readonly contractId: string;
  readonly required: boolean;
  readonly state: "active" | "inactive" | "unknown" | "incompatible";
  readonly detail: string;
}

export interface PermissionChange {
  readonly action: "add" | "remove";
  readonly direction: "publish" | "subscribe";
  readonly subject: string;
  readonly queue?: string;
  readonly reason: string;
}

export interface Break {
  readonly surface: string;
  readonly message: string;
  /** Names of live participants that use what is taken away. */
  readonly who: readonly string[];
}

export interface Blocker {
  readonly code:
    "dependency_unknown" | "dependency_incompatible" | "subject_collision" | "lineage_mismatch" | "invalid";
  /** The contract id whose arrival or change would end it. */
  readonly contractId?: string;
  readonly message: string;
}

/** True when nothing but a decision is missing. */
export function isAcceptable(view: PlanView): boolean {
  return view.blockers.length === 0;
}
