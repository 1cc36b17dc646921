import { contractDigest, type Manifest, parseManifest } from "@trellis/contracts";
import {
  type BootstrapAnswer,
  bootstrapDigest,
  type BootstrapReady,
  enrolDigest,
  isFresh,
  type PlatformInfo,
  type Problem,
  type RefusedReason,
  type VerifySignature,
  type WaitingReason,
} from "@trellis/protocol";
import type { ControlContext } from "../authority/context.ts";
import {
  agentGrants,
  type AgentIdentity,
  type Grants,
  type GrantsDenied,
  serviceGrants,
  type Stage,
} from "../authority/grants.ts";
import { propose, rememberContract, type Proposal } from "../authority/proposals.ts";
import type { AgentSessions } from "../identity/agent-sessions.ts";
import type { Plan } from "../tables.ts";
import { type ReadRequest, readBootstrapRequest } from "./bootstrap-request.ts";

/** What a participant is told about the way to NATS, and what it takes to answer. */
export interface BootstrapOptions {
  readonly context: ControlContext;
  readonly sessions: AgentSessions;
  readonly verify: VerifySignature;
  readonly nats: BootstrapReady["nats"];
  readonly permissionsTtlMs: number;
  readonly platform: PlatformInfo["platform"];
  /** How long a waiting participant lets pass before it asks again. */
  readonly retryAfterMs?: number;
}

/** Answers what a participant asks before it connects. Nothing here is a route: HTTP hands bodies in and answers out. */
export interface Bootstrap {
  info(): PlatformInfo;
  service(request: unknown): Promise<BootstrapAnswer>;
  agent(request: unknown): Promise<BootstrapAnswer>;
}

/** Short enough that a service starts soon after somebody accepts its plan, long enough to cost nothing. */
const RETRY_AFTER_MS = 1_000;

/** Reconciliation takes milliseconds; a service of a laptop should not wait a second for them. */
const RECONCILING_RETRY_MS = 100;

/** Whoever waits for a person asks less often as time passes, but never so rarely that an acceptance seems lost. */
const RETRY_AFTER_MAX_MS = 5_000;

function inactiveUses({ manifest, uses }: Grants): Pick<BootstrapReady, "inactiveUses"> {
  const inactive = Object.keys(manifest.uses?.required ?? {}).filter((alias) => uses[alias] === undefined);
  return inactive.length === 0 ? {} : { inactiveUses: inactive.sort() };
}

/** Makes the bootstrap service of one replica. */
export function createBootstrap(options: BootstrapOptions): Bootstrap {
  const { context, sessions, verify, nats, permissionsTtlMs, platform, retryAfterMs = RETRY_AFTER_MS } = options;

  const refuse = (reason: RefusedReason, message: string, problems?: readonly Problem[]): BootstrapAnswer => ({
    status: "refused",
    serverNow: context.now(),
    reason,
    message,
    ...(problems === undefined ? {} : { problems }),
  });
  const wait = (
    reason: WaitingReason,
    message: string,
    more: { readonly planId?: string; readonly blockedBy?: readonly string[]; readonly retryAfterMs?: number } = {},
  ): BootstrapAnswer => ({
    status: "waiting",
    serverNow: context.now(),
    reason,
    message,
    retryAfterMs: reason === "reconciliation_pending" ? Math.min(RECONCILING_RETRY_MS, retryAfterMs) : retryAfterMs,
    ...more,
  });
  const deny = (denied: GrantsDenied): BootstrapAnswer =>
    denied.status === "refused"
      ? refuse(denied.reason, denied.message)
      : wait(denied.reason, denied.message, denied.blockedBy === undefined ? {} : { blockedBy: denied.blockedBy });
  const ready = (grants: Grants): BootstrapAnswer => ({
    status: "ready",
    serverNow: context.now(),
    nats,
    contractDigest: grants.digest,
    inboxPrefix: grants.inboxPrefix,
    bindings: grants.bindings,
    grantedUses: Object.keys(grants.uses)
      .filter((alias) => grants.manifest.uses?.required?.[alias] === undefined)
      .sort(),
    ...inactiveUses(grants),
    principal: grants.principal,
    capabilities: [...grants.capabilities].sort(),
    revision: grants.revision,
    permissionsTtlMs,
  });

  /** Everything that can be said before anybody's records are looked at. */
  const open = async (input: unknown): Promise<ReadRequest | BootstrapAnswer> => {
    const request = readBootstrapRequest(input);
    if ("wrong" in request)
      return refuse(
        "invalid_request",
        `The bootstrap request cannot be read: ${request.wrong}. Use a current Trellis runtime.`,
      );
    if (!isFresh(request.iat, context.now() / 1000)) {
      return refuse(
        "iat_out_of_range",
        "The request was made at another time than now. Correct the clock by serverNow and ask again.",
      );
    }
    if (!(await verify(request.sessionKey, bootstrapDigest(request.iat, request.contractDigest), request.sig))) {
      return refuse(
        "invalid_signature",
        "The request is not signed by its session key. Ask again with the key that belongs to it.",
      );
    }
    return request;
  };

  const manifestOf = (request: ReadRequest): Manifest | BootstrapAnswer => {
    const known = context.catalog.manifest(request.contractDigest);
    if (known) return known;
    if (request.manifest === undefined)
      return wait("manifest_required", `The contract ${request.contractDigest} is not known here; send it along.`);
    const parsed = parseManifest(request.manifest);
    if (!parsed.ok)
      return refuse("invalid_manifest", `The contract is not valid: ${parsed.error.message}`, parsed.error.problems);
    const digest = contractDigest(parsed.value.manifest);
    if (digest !== request.contractDigest) {
      return refuse(
        "digest_mismatch",
        `The contract that was sent has the digest ${digest}, not ${request.contractDigest}. Build the runtime and its contract together.`,
      );
    }
    return parsed.value.manifest;
  };

  /** A program that starts again with the key of the last run has no connection yet: it begins. */
  const stageOf = ({ sessionKey, contractDigest: digest }: ReadRequest): Stage =>
    context.liveness.works(sessionKey, digest) ? "goes on" : "begins";

  const service = async (input: unknown): Promise<BootstrapAnswer> => {
    const request = await open(input);
    if ("status" in request) return request;
    const { sessionKey, contractDigest: digest } = request;
    // Asked first without the contract: nobody unknown or disabled gets to store one.
    const stage = stageOf(request);
    const first = serviceGrants(context, sessionKey, digest, stage);
    if (first.ok) return ready(first.value);
    if (first.error.status === "refused") return deny(first.error);
    if (first.error.reason !== "manifest_required" && first.error.reason !== "authority_update_required")
      return deny(first.error);
    const manifest = manifestOf(request);
    if ("status" in manifest) return manifest;
    if (manifest.kind !== "service")
      return refuse(
        "wrong_kind",
        `${manifest.id} is not the contract of a service. Define it with defineServiceContract.`,
      );
    const instance = context.tables.instances.get(sessionKey)?.value;
    if (!instance) return deny(first.error);
    const by = { type: "service", id: instance.deployment, name: instance.deployment } as const;
    const proposed = await propose(context, { deployment: instance.deployment, manifest, by });
    if (!proposed.ok)
      return refuse(
        "unknown_service",
        `The deployment ${instance.deployment} was removed. Create it again: trellis svc create ${instance.deployment}`,
      );
    const answer = pending(instance.deployment, proposed.value);
    if (answer) return answer;
    const second = serviceGrants(context, sessionKey, digest, stage);
    return second.ok ? ready(second.value) : deny(second.error);
  };

  const patience = (plan: Plan): number =>
    Math.max(retryAfterMs, Math.min(RETRY_AFTER_MAX_MS, Math.round((context.now() - plan.createdAt) / 20)));

  /** What an open plan is waiting for; nothing when the contract is accepted. */
  const pending = (deployment: string, proposal: Proposal): BootstrapAnswer | undefined => {
    if (proposal.outcome === "identical" || proposal.outcome === "accepted") return undefined;
    const { plan } = proposal;
    if (proposal.outcome === "rejected") {
      const reason = plan.kind === "migration" ? "authority_migration_required" : "authority_update_required";
      return wait(
        reason,
        `${plan.decision?.by.name ?? "Somebody"} rejected this contract for ${deployment}. Propose it again when that changed: trellis svc ${deployment} plan`,
        { planId: plan.id, retryAfterMs: patience(plan) },
      );
    }
    const { view } = proposal;
    const dependencies = view.blockers.filter(
      (blocker) => blocker.code === "dependency_unknown" || blocker.code === "dependency_incompatible",
    );
    const other = view.blockers.find((blocker) => !dependencies.includes(blocker));
    if (other?.code === "lineage_mismatch" || other?.code === "invalid")
      return refuse("invalid_manifest", `${other.message}.`);
    const [first] = dependencies;
    if (first && !other) {
      const blockedBy = dependencies.flatMap(({ contractId }) => contractId ?? []);
      const reason = dependencies.some(({ code }) => code === "dependency_unknown")
        ? "dependency_unknown"
        : "dependency_incompatible";
      return wait(reason, dependencies.map(({ message }) => `${message}.`).join(" "), {
        planId: plan.id,
        blockedBy,
        retryAfterMs: patience(plan),
      });
    }
    const accept = `trellis svc accept ${plan.id}`;
    const why = other
      ? `${other.message}.`
      : proposal.heldBack
        ? `It is not taken by itself: ${proposal.heldBack}.`
        : "";
    return view.kind === "migration"
      ? wait(
          "authority_migration_required",
          `${plan.contractId} changed in a way that breaks somebody, so a person has to accept it. ${why} Look at it with trellis svc show ${deployment}, then ${accept} --acknowledge`.replace(
            "  ",
            " ",
          ),
          { planId: plan.id, retryAfterMs: patience(plan) },
        )
      : wait(
          "authority_update_required",
          `${plan.contractId} waits to be accepted for ${deployment}. ${why} Look at it with trellis svc show ${deployment}, then ${accept}`.replace(
            "  ",
            " ",
          ),
          { planId: plan.id, retryAfterMs: patience(plan) },
        );
  };

  const agent = async (input: unknown): Promise<BootstrapAnswer> => {
    const request = await open(input);
    if ("status" in request) return request;
    const { sessionKey, contractDigest: digest } = request;
    const identity = await identify(request);
    if ("status" in identity) return identity;
    const stage = stageOf(request);
    let grants = agentGrants(context, identity, digest, stage);
    if (!grants.ok && grants.error.reason === "manifest_required") {
      const manifest = manifestOf(request);
      if ("status" in manifest) return manifest;
      if (manifest.kind !== "app" && manifest.kind !== "agent") {
        return refuse(
          "wrong_kind",
          `${manifest.id} is the contract of a ${manifest.kind}. A user's session needs the contract of an app or an agent.`,
        );
      }
      const user = context.tables.users.get(identity.userId)?.value;
      const by = { type: "user", id: identity.userId, name: user?.name ?? identity.userId } as const;
      await context.registry.transact((tx) => rememberContract(context, tx, manifest, digest, by));
      grants = agentGrants(context, identity, digest, stage);
    }
    if (!grants.ok) return deny(grants.error);
    const now = context.now();
    const before = await sessions.get(sessionKey);
    await sessions.put({ ...identity, contractDigest: digest, createdAt: before?.createdAt ?? now, lastSeenAt: now });
    return ready(grants.value);
  };

  /** Whose session this is: a key that vouches for it now, or the session it is already. */
  const identify = async (request: ReadRequest): Promise<AgentIdentity | BootstrapAnswer> => {
    const { sessionKey, contractDigest: digest, iat, enrol } = request;
    const session = await sessions.get(sessionKey);
    if (enrol) {
      if (!(await verify(enrol.key, enrolDigest(sessionKey, digest, iat), enrol.sig))) {
        return refuse(
          "invalid_signature",
          "The user key did not sign for this session. Ask again with the key that is registered.",
        );
      }
      const key = context.tables.userKeys.get(enrol.key)?.value;
      if (!key)
        return refuse(
          "unknown_agent",
          `No user has registered the key ${enrol.key}. Ask an administrator: trellis users add-key <user> ${enrol.key}`,
        );
      if (session && session.userId !== key.userId)
        return refuse("unknown_agent", "This session belongs to another user. Start with a new session key.");
      if (context.tables.instances.get(sessionKey))
        return refuse("unknown_agent", "This session key is an instance of a service. Start with a new session key.");
      return { sessionKey, userId: key.userId, userKey: enrol.key };
    }
    if (!session)
      return refuse(
        "unknown_agent",
        "This session is not known here: it ended, or nobody vouched for it. Sign in again.",
      );
    return { sessionKey, userId: session.userId, userKey: session.userKey };
  };

  return { info: () => ({ serverNow: context.now(), platform }), service, agent };
}
