import type { AuthReason, RefusedReason, WaitingReason } from "@trellis/protocol";
import type { GrantsDenied } from "../authority/grants.ts";

/** Bootstrap explains to the participant itself; others who ask about it hear one of the protocol's reasons. */
const REASONS: { readonly [reason in RefusedReason | WaitingReason]: AuthReason } = {
  invalid_request: "invalid_signature",
  invalid_signature: "invalid_signature",
  iat_out_of_range: "iat_out_of_range",
  invalid_manifest: "contract_changed",
  digest_mismatch: "contract_changed",
  unknown_service: "unknown_service",
  unknown_agent: "session_not_found",
  service_disabled: "service_disabled",
  user_inactive: "user_inactive",
  insufficient_permissions: "insufficient_permissions",
  wrong_kind: "contract_changed",
  session_revoked: "session_not_found",
  manifest_required: "contract_changed",
  authority_update_required: "approval_required",
  authority_migration_required: "approval_required",
  dependency_not_active: "approval_required",
  dependency_unknown: "approval_required",
  dependency_incompatible: "approval_required",
  reconciliation_pending: "approval_required",
};

export function authReason(denied: GrantsDenied): AuthReason {
  return REASONS[denied.reason];
}
