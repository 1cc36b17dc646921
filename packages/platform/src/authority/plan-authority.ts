import {
  type Bindings,
  compareManifests,
  contractDigest,
  derivePermissions,
  listSurfaces,
  type Manifest,
  type PermissionRule,
  type Permissions,
  type Surface,
} from "@trellis/contracts";
import { surfaceActions, type UsableKind } from "../catalog/surface-actions.ts";
import { type ContractWorld, grantedUses, missingSurfaces, aliases, servingDeployments } from "../catalog/world.ts";
import { bindingsOf, planResources, type Resource } from "../resources/resource-plan.ts";
import { serviceCapabilities } from "./needed-capabilities.ts";
import { blockers, requirementLines } from "./plan-requirements.ts";
import { resourceChanges } from "./plan-resources.ts";
import type { Break, PermissionChange, PlanView, SurfaceChange } from "./plan-view.ts";

/** A participant that is connected now, for saying who would break. */
export interface LiveUse {
  readonly name: string;
  readonly manifest: Manifest;
}

export interface PlanningInput {
  readonly deployment: string;
  /** Contract name the deployment's data belongs to; absent before the first acceptance. */
  readonly lineage?: string;
  readonly current?: Manifest;
  readonly candidate: Manifest;
  readonly world: ContractWorld;
  /** Other participants connected now, this deployment's own replicas left out. */
  readonly live: readonly LiveUse[];
}

/** Stands for the inbox of whichever session: a plan is about all of them. */
const ANY_INBOX = "_INBOX.0000000000000000";
const ANY_INBOX_SHOWN = "_INBOX.<session>";

/** What accepting a contract would change, and what keeps it from being accepted. Pure: the same input, the same view. */
export function planAuthority(input: PlanningInput): PlanView {
  const { deployment, current, candidate, world } = input;
  const verdict = current ? compareManifests(current, candidate) : undefined;
  const sameContract = current === undefined || current.id === candidate.id;
  const kind = verdict !== undefined && (verdict.verdict === "breaking" || !sameContract) ? "migration" : "update";
  const before = current ? sideOf(deployment, current, world) : undefined;
  const after = sideOf(deployment, candidate, world);
  return {
    kind,
    deployment,
    contractId: candidate.id,
    displayName: candidate.displayName,
    ...(current ? { from: contractDigest(current) } : {}),
    to: contractDigest(candidate),
    surfaces: surfaceChanges(current, candidate, verdict),
    resources: resourceChanges(before?.resources ?? [], after.resources),
    requirements: requirementLines(candidate, world),
    capabilities: {
      added: minus(after.capabilities, before?.capabilities ?? new Set()),
      removed: minus(before?.capabilities ?? new Set(), after.capabilities),
    },
    permissions: permissionChanges(before?.permissions, after.permissions),
    breaks: current ? breaks(deployment, current, candidate, verdict, input.live) : [],
    blockers: blockers(input),
  };
}

interface Side {
  readonly resources: readonly Resource[];
  readonly capabilities: ReadonlySet<string>;
  readonly permissions: Permissions;
}

function sideOf(deployment: string, manifest: Manifest, world: ContractWorld): Side {
  const resources = planResources(deployment, manifest, world);
  // For review a required contract counts as granted as soon as it is known: that is what accepting will lead to.
  const uses: { [alias: string]: Manifest } = { ...grantedUses(manifest, world) };
  for (const { alias, required, selection } of aliases(manifest)) {
    const known =
      uses[alias] ??
      (required
        ? world.known(selection.contract).find((one) => missingSurfaces(one, selection).length === 0)
        : undefined);
    if (known) uses[alias] = known;
  }
  const capabilities = serviceCapabilities(manifest, uses);
  const bindings: Bindings = bindingsOf(deployment, resources);
  const permissions = derivePermissions({
    manifest,
    uses,
    serviceNames: servingDeployments(uses, world),
    capabilities,
    inboxPrefix: ANY_INBOX,
    bindings,
  });
  return { resources, capabilities, permissions };
}

function surfaceChanges(
  current: Manifest | undefined,
  candidate: Manifest,
  verdict: ReturnType<typeof compareManifests> | undefined,
): readonly SurfaceChange[] {
  const before = new Map((current ? visible(current) : []).map((surface) => [surfaceKey(surface), surface]));
  const after = new Map(visible(candidate).map((surface) => [surfaceKey(surface), surface]));
  const lines: SurfaceChange[] = [];
  for (const [key, surface] of after) {
    if (!before.has(key)) lines.push(line("add", candidate, surface, "", false));
  }
  for (const [key, surface] of after) {
    if (!before.has(key)) continue;
    const changes = (verdict?.changes ?? []).filter(
      (change) => change.effect !== "none" && below(change.path, surface),
    );
    if (changes.length === 0) continue;
    lines.push(
      line(
        "change",
        candidate,
        surface,
        changes.map((change) => change.message).join("; "),
        changes.some((change) => change.effect === "breaking"),
      ),
    );
  }
  for (const [key, surface] of before) {
    if (current && !after.has(key)) lines.push(line("remove", current, surface, "", true));
  }
  return lines;
}

/** Kinds shown as resources instead, with their sizes. */
const RESOURCE_KINDS: readonly Surface["kind"][] = ["kv", "store", "job", "eventConsumer"];

function visible(manifest: Manifest): readonly Surface[] {
  return listSurfaces(manifest).filter((surface) => !RESOURCE_KINDS.includes(surface.kind));
}

function surfaceKey(surface: Surface): string {
  return `${surface.kind} ${surface.name} ${surface.version ?? ""}`;
}

function line(
  action: SurfaceChange["action"],
  owner: Manifest,
  surface: Surface,
  detail: string,
  breaking: boolean,
): SurfaceChange {
  const actions = usable(surface) ? (surfaceActions(owner, surface.kind, surface.name) ?? {}) : {};
  const capabilities = Object.entries(actions).flatMap(([name, needs]) =>
    needs.length > 0 ? [{ action: name, needs }] : [],
  );
  const needs = capabilities.map(({ action: name, needs: keys }) => `to ${name} needs ${keys.join(", ")}`).join("; ");
  return {
    action,
    kind: surface.kind,
    name: surface.name,
    detail: detail === "" ? needs : detail,
    subjects: surface.subject === undefined ? [] : [surface.subject],
    capabilities,
    breaking,
  };
}

function usable(surface: Surface): surface is Surface & { readonly kind: UsableKind } {
  return surface.kind === "rpc" || surface.kind === "operation" || surface.kind === "event" || surface.kind === "feed";
}

/** Whether a change's path lies below the surface's own entry in the manifest. */
function below(path: string, surface: Surface): boolean {
  const own = `/${surface.member}/${surface.name}`;
  return path === own || path.startsWith(`${own}/`);
}

function permissionChanges(before: Permissions | undefined, after: Permissions): readonly PermissionChange[] {
  const changes: PermissionChange[] = [];
  for (const direction of ["publish", "subscribe"] as const) {
    const old = new Map((before?.[direction] ?? []).map((rule) => [ruleKey(rule), rule]));
    const now = new Map(after[direction].map((rule) => [ruleKey(rule), rule]));
    for (const [key, rule] of now) if (!old.has(key)) changes.push({ action: "add", direction, ...shown(rule) });
    for (const [key, rule] of old) if (!now.has(key)) changes.push({ action: "remove", direction, ...shown(rule) });
  }
  return changes;
}

function shown(rule: PermissionRule): PermissionRule {
  return { ...rule, subject: rule.subject.replace(ANY_INBOX, ANY_INBOX_SHOWN) };
}

function ruleKey(rule: PermissionRule): string {
  return `${rule.subject} ${rule.queue ?? ""}`;
}

function breaks(
  deployment: string,
  current: Manifest,
  candidate: Manifest,
  verdict: ReturnType<typeof compareManifests> | undefined,
  live: readonly LiveUse[],
): readonly Break[] {
  const surfaces = visible(current).flatMap((surface) => {
    const removed = !visible(candidate).some((one) => surfaceKey(one) === surfaceKey(surface));
    const changed = (verdict?.changes ?? []).filter(
      (change) => change.effect === "breaking" && below(change.path, surface),
    );
    if (!removed && changed.length === 0) return [];
    const who = [
      ...new Set(live.filter((one) => selects(one.manifest, current.id, surface)).map((one) => one.name)),
    ].sort();
    const message = removed
      ? `${surface.kind} ${surface.name} goes away`
      : changed.map((change) => change.message).join("; ");
    return [{ surface: `${surface.kind} ${surface.name}`, message, who }];
  });
  // What is kept, and the places of groups in the event stream, belong to the deployment alone.
  const kept = listSurfaces(current).filter((surface) => RESOURCE_KINDS.includes(surface.kind));
  const resources = kept.flatMap((surface) =>
    (verdict?.changes ?? [])
      .filter((change) => change.effect === "breaking" && below(change.path, surface))
      .map(({ message }): Break => ({ surface: `${surface.kind} ${surface.name}`, message, who: [deployment] })),
  );
  return [...surfaces, ...resources];
}

function selects(manifest: Manifest, contractId: string, surface: Surface): boolean {
  return aliases(manifest).some(({ selection }) => {
    if (selection.contract !== contractId) return false;
    const names: { readonly [kind: string]: readonly string[] } = {
      rpc: selection.rpc?.call ?? [],
      operation: selection.operations?.call ?? [],
      event: [...(selection.events?.subscribe ?? []), ...(selection.events?.publish ?? [])],
      feed: selection.feeds?.subscribe ?? [],
    };
    return names[surface.kind]?.includes(surface.name) ?? false;
  });
}

function minus(a: ReadonlySet<string>, b: ReadonlySet<string>): readonly string[] {
  return [...a].filter((one) => !b.has(one)).sort();
}
