import {
  type Bindings,
  contractName,
  derivePermissions,
  type Manifest,
  NO_BINDINGS,
  type Permissions,
} from "@trellis/contracts";
import { inboxPrefix, type RefusedReason, type WaitingReason } from "@trellis/protocol";
import { err, ok, type Result } from "@trellis/result";
import { closureGaps, grantedUses, servingDeployments } from "../catalog/world.ts";
import { userCapabilities } from "../identity/user-capabilities.ts";
import type { ControlContext } from "./context.ts";
import { neededCapabilities, serviceCapabilities } from "./needed-capabilities.ts";

/** Everything a session may do, with whose word it goes back to. The one source for bootstrap, callout, validation and `why`. */
export interface Grants {
  readonly sessionKey: string;
  readonly principal: { readonly type: "service" | "user" | "device"; readonly id: string; readonly name: string };
  /** Services only. */
  readonly deployment?: string;
  readonly contractId: string;
  readonly digest: string;
  readonly manifest: Manifest;
  readonly uses: { readonly [alias: string]: Manifest };
  /** The deployments behind each alias. */
  readonly serviceNames: { readonly [alias: string]: readonly string[] };
  readonly capabilities: ReadonlySet<string>;
  readonly bindings: Bindings;
  readonly inboxPrefix: string;
  /** Of the registry, when this was read. */
  readonly revision: number;
}

/** Why there are no grants: something the participant waits for, or something asking again does not change. */
export type GrantsDenied =
  | {
      readonly status: "waiting";
      readonly reason: WaitingReason;
      readonly message: string;
      readonly blockedBy?: readonly string[];
    }
  | { readonly status: "refused"; readonly reason: RefusedReason; readonly message: string };

/** An agent session as far as grants depend on it. */
export interface AgentIdentity {
  readonly sessionKey: string;
  readonly userId: string;
  /** The user key that vouched for the session; when it is disabled, so are its sessions. */
  readonly userKey: string;
}

/** The permissions of these grants, each with its reason. */
export function permissionsOf(grants: Grants): Permissions {
  return derivePermissions(grants);
}

/**
 * Whether a session begins, or works already and goes on. Nobody begins without all it requires; what is lost later takes
 * along what it granted and nothing else, because the rest of a running participant is what others require.
 */
export type Stage = "begins" | "goes on";

/** By its connections: a session that has lost one just now goes on. */
export function stageOf({ liveness }: ControlContext, sessionKey: string, digest: string): Stage {
  return liveness.hasBegun(sessionKey, digest) ? "goes on" : "begins";
}

/** What an instance of a deployment may do with this contract. */
export function serviceGrants(
  context: ControlContext,
  sessionKey: string,
  digest: string,
  stage: Stage = "begins",
): Result<Grants, GrantsDenied> {
  const { tables, catalog, registry } = context;
  const revoked = revocation(context, sessionKey);
  if (revoked) return err(revoked);
  const instance = tables.instances.get(sessionKey)?.value;
  const deployment = instance && tables.deployments.get(instance.deployment)?.value;
  if (!instance || !deployment) {
    return err(
      refuse(
        "unknown_service",
        `No deployment knows the key ${sessionKey}. Provision it: trellis svc provision <deployment> --key ${sessionKey}`,
      ),
    );
  }
  const { name } = deployment;
  if (!deployment.enabled)
    return err(refuse("service_disabled", `The deployment ${name} is disabled. Enable it: trellis svc enable ${name}`));
  if (!instance.enabled)
    return err(
      refuse(
        "service_disabled",
        `This instance of ${name} is disabled. Enable it: trellis svc enable ${name} --instance ${sessionKey}`,
      ),
    );
  const manifest = catalog.manifest(digest);
  if (!manifest) return err(wait("manifest_required", `The contract ${digest} is not known here; send it along.`));
  if (manifest.kind !== "service")
    return err(
      refuse(
        "wrong_kind",
        `${manifest.id} is the contract of an ${manifest.kind}; an instance of ${name} needs a service contract.`,
      ),
    );
  const authority = tables.authorities.get(name)?.value;
  if (!authority?.accepted.includes(digest)) {
    return err(
      wait(
        "authority_update_required",
        `Deployment ${name} has not accepted this version of ${manifest.id}. See trellis svc show ${name}`,
      ),
    );
  }
  const { materialized } = authority;
  // An older digest that still fits runs on the last good materialization while the newer one is being made.
  const ready =
    materialized &&
    (materialized.digest === digest ||
      (authority.desired?.digest !== digest && covers(materialized.bindings, manifest)));
  if (!ready) {
    const problems = authority.reconcile.problems;
    return err(
      wait(
        "reconciliation_pending",
        problems.length > 0
          ? `The resources of ${name} could not be made yet: ${problems.join("; ")}. It is tried again by itself; trellis svc show ${name} tells more.`
          : `The resources of ${name} are being made.`,
      ),
    );
  }
  const gap = stage === "begins" ? closureDenial(context, manifest) : undefined;
  if (gap) return err(gap);
  const uses = grantedUses(manifest, catalog);
  return ok({
    sessionKey,
    principal: { type: "service", id: name, name },
    deployment: name,
    contractId: manifest.id,
    digest,
    manifest,
    uses,
    serviceNames: servingDeployments(uses, catalog),
    capabilities: serviceCapabilities(manifest, uses),
    bindings: materialized.bindings,
    inboxPrefix: inboxPrefix(sessionKey),
    revision: registry.revision,
  });
}

/** What a session enrolled by a user may do: what its contract uses, as far as the user holds it. */
export function agentGrants(
  context: ControlContext,
  agent: AgentIdentity,
  digest: string,
  stage: Stage = "begins",
): Result<Grants, GrantsDenied> {
  const { tables, catalog, registry } = context;
  const revoked = revocation(context, agent.sessionKey) ?? revocation(context, agent.userKey);
  if (revoked) return err(revoked);
  const user = tables.users.get(agent.userId)?.value;
  const key = tables.userKeys.get(agent.userKey)?.value;
  if (!user || key?.userId !== agent.userId) {
    return err(
      refuse(
        "unknown_agent",
        "No user has registered the key that vouched for this session. Sign in again, or ask an administrator to add the key.",
      ),
    );
  }
  if (!user.active || !key.enabled) {
    return err(
      refuse(
        "user_inactive",
        user.active
          ? `That key of ${user.name} is disabled.`
          : `The user ${user.name} is not active. Ask an administrator.`,
      ),
    );
  }
  const manifest = catalog.manifest(digest);
  if (!manifest) return err(wait("manifest_required", `The contract ${digest} is not known here; send it along.`));
  if (manifest.kind === "service" || manifest.kind === "device") {
    return err(
      refuse(
        "wrong_kind",
        `${manifest.id} is the contract of a ${manifest.kind}; a user's session needs the contract of an app or an agent.`,
      ),
    );
  }
  const gap = stage === "begins" ? closureDenial(context, manifest) : undefined;
  if (gap) return err(gap);
  const uses = grantedUses(manifest, catalog);
  const held = userCapabilities(context, user);
  const needs = neededCapabilities(manifest, uses);
  const lacking = needs.filter(
    (need) => need.essential && manifest.uses?.required?.[need.alias] !== undefined && !held.has(need.capability),
  );
  if (lacking.length > 0 && stage === "begins") {
    const words = [...new Set(lacking.map((need) => `${need.capability} to ${need.action} ${need.surface}`))].join(
      ", ",
    );
    return err(
      refuse(
        "insufficient_permissions",
        `${user.name} lacks ${words}. Ask an administrator for a group that holds it.`,
      ),
    );
  }
  return ok({
    sessionKey: agent.sessionKey,
    principal: { type: "user", id: user.id, name: user.name },
    contractId: manifest.id,
    digest,
    manifest,
    uses,
    serviceNames: servingDeployments(uses, catalog),
    capabilities: new Set(needs.map((need) => need.capability).filter((capability) => held.has(capability))),
    bindings: NO_BINDINGS,
    inboxPrefix: inboxPrefix(agent.sessionKey),
    revision: registry.revision,
  });
}

/** Whether everything has been made that the contract cannot live without. */
function covers(bindings: Bindings, manifest: Manifest): boolean {
  const { kv = {}, store = {} } = manifest.resources ?? {};
  const required = (resources: { readonly [alias: string]: { readonly required?: boolean } }): readonly string[] =>
    Object.keys(resources).filter((alias) => resources[alias]?.required !== false);
  return (
    required(kv).every((alias) => Object.hasOwn(bindings.kv, alias)) &&
    required(store).every((alias) => Object.hasOwn(bindings.store, alias)) &&
    Object.keys(manifest.jobs ?? {}).every((queue) => Object.hasOwn(bindings.jobs, queue))
  );
}

function closureDenial(context: ControlContext, manifest: Manifest): GrantsDenied | undefined {
  const gaps = closureGaps(manifest, context.catalog);
  const worst =
    gaps.find((gap) => gap.state === "unknown") ?? gaps.find((gap) => gap.state === "incompatible") ?? gaps[0];
  if (!worst) return undefined;
  const reasons = {
    unknown: "dependency_unknown",
    incompatible: "dependency_incompatible",
    inactive: "dependency_not_active",
  } as const;
  const through = worst.path.length > 1 ? ` (through ${worst.path.slice(1).join(", ")})` : "";
  const name = contractName(worst.contractId);
  const messages = {
    unknown: `${manifest.id} requires ${worst.contractId}${through}, which nobody has presented here. Start a service that implements it.`,
    incompatible: `${manifest.id} requires ${worst.missing.join(", ")} of ${worst.contractId}${through}, which the version here does not have. Deploy one that does.`,
    inactive: `${manifest.id} requires ${worst.contractId}${through}, which is known but not accepted and ready here. Look for its plan with trellis svc list, or start a service that implements ${name}.`,
  };
  return wait(
    reasons[worst.state],
    messages[worst.state],
    gaps.map((gap) => gap.contractId),
  );
}

function revocation(context: ControlContext, key: string): GrantsDenied | undefined {
  const revoked = context.tables.revocations.get(key)?.value;
  return (
    revoked &&
    refuse("session_revoked", `This session was revoked by ${revoked.by.name}. Make a new key and have it accepted.`)
  );
}

function wait(reason: WaitingReason, message: string, blockedBy?: readonly string[]): GrantsDenied {
  return { status: "waiting", reason, message, ...(blockedBy === undefined ? {} : { blockedBy }) };
}

function refuse(reason: RefusedReason, message: string): GrantsDenied {
  return { status: "refused", reason, message };
}
