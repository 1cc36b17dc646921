import { contractName, findSubjectCollisions, type Manifest } from "@trellis/contracts";
import { type ContractWorld, requirements } from "../catalog/world.ts";
import type { Blocker, Requirement } from "./plan-view.ts";

/** How every use of the contract stands, in words. */
export function requirementLines(candidate: Manifest, world: ContractWorld): readonly Requirement[] {
  return requirements(candidate, world).map((status) => ({
    alias: status.alias,
    contractId: status.contractId,
    required: status.required,
    state: status.state,
    detail: requirementDetail(status.contractId, status.state, status.required, status.missing),
  }));
}

function requirementDetail(
  contractId: string,
  state: Requirement["state"],
  required: boolean,
  missing: readonly string[],
): string {
  if (state === "active") return "active";
  if (!required)
    return state === "incompatible"
      ? `lacks ${missing.join(", ")}; grants nothing`
      : "not here; grants nothing until it is";
  if (state === "inactive")
    return "known, not active yet: no deployment of it is accepted; this one waits for it before it connects";
  if (state === "unknown") return `nobody has presented ${contractId} here yet`;
  return `no known version has ${missing.join(", ")}`;
}

/** What the question of acceptance depends on. */
export interface BlockerInput {
  readonly deployment: string;
  readonly lineage?: string;
  readonly candidate: Manifest;
  readonly world: ContractWorld;
}

/** Contract ids the platform keeps for itself. */
const RESERVED = "trellis.";

/** What makes acceptance impossible now, all of it at once. */
export function blockers({ candidate, lineage, world, deployment }: BlockerInput): readonly Blocker[] {
  const found: Blocker[] = [];
  if (candidate.id.startsWith(RESERVED)) {
    found.push({
      code: "invalid",
      message: `${candidate.id} is the platform's own name. Choose a contract id that does not start with ${RESERVED}`,
    });
  }
  if (candidate.kind !== "service") {
    found.push({
      code: "invalid",
      message: `${candidate.id} is the contract of ${candidate.kind === "app" || candidate.kind === "agent" ? "an" : "a"} ${candidate.kind}; a deployment runs a service contract`,
    });
  }
  if (lineage !== undefined && lineage !== contractName(candidate.id)) {
    found.push({
      code: "lineage_mismatch",
      message: `Deployment ${deployment} belongs to ${lineage} and so does its data; ${candidate.id} is something else. Give it a deployment of its own: trellis svc create ${contractName(candidate.id).replaceAll(".", "-")}`,
    });
  }
  for (const status of requirements(candidate, world)) {
    if (!status.required || status.state === "active" || status.state === "inactive") continue;
    found.push(
      status.state === "unknown"
        ? {
            code: "dependency_unknown",
            contractId: status.contractId,
            message: `${candidate.id} requires ${status.contractId}, which nobody has presented here. Start or plan a service that implements it; this plan can be accepted then`,
          }
        : {
            code: "dependency_incompatible",
            contractId: status.contractId,
            message: `${candidate.id} requires ${status.missing.join(", ")} of ${status.contractId}, which no known version has. Deploy a version that does, or take it out of \`uses\``,
          },
    );
  }
  for (const { surfaces } of findSubjectCollisions([candidate, ...world.neighbours(candidate)])) {
    const mine = surfaces.find((surface) => surface.contract === candidate.id);
    const other = surfaces.find((surface) => surface !== mine);
    if (!mine || !other) continue;
    found.push({
      code: "subject_collision",
      contractId: other.contract,
      message: `${mine.name} of ${candidate.id} would own ${mine.subject}, which ${other.name} of ${other.contract} owns here already. Rename one of the surfaces`,
    });
  }
  return found;
}
