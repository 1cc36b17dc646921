import { defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { authSchemas } from "./auth-schemas.ts";

/** What was named does not exist. */
export const NotFound = defineError({
  type: "NotFound",
  fields: { kind: Type.String(), name: Type.String() },
  message: ({ kind, name }) => `There is no ${kind} ${name}.`,
});

/** What was asked does not fit the present state; `next` says what would. */
export const Refused = defineError({
  type: "Refused",
  fields: { code: Type.String(), why: Type.String(), next: Type.String() },
  message: ({ why, next }) => `${why} ${next}`,
});

/** A contract that was sent in is not one; every problem at once. */
export const ManifestRefused = defineError({
  type: "ManifestRefused",
  fields: { problems: Type.Array(Type.Object({ path: Type.String(), message: Type.String() })) },
  message: ({ problems }) =>
    `The contract has ${problems.length} problem${problems.length === 1 ? "" : "s"}: ${problems
      .map(({ path, message }) => `${path}: ${message}`)
      .join("; ")}`,
});

/** `trellis.auth@v1`: who is connected, what may connect, and every decision about it. */
export const auth = defineServiceContract(
  { schemas: authSchemas, errors: { NotFound, Refused, ManifestRefused } },
  (ref) => {
    const admin = { call: ["admin"] };
    const refusals = [ref.error("NotFound"), ref.error("Refused")];
    return {
      id: "trellis.auth@v1",
      displayName: "Trellis auth",
      description: "Sessions, connections, deployments, instances and the authority they are given.",
      rpc: {
        "Auth.Requests.Validate": {
          version: "v1",
          input: ref.schema("ValidateInput"),
          output: ref.schema("ValidateOutput"),
          capabilities: { call: ["service"] },
        },

        "Auth.Sessions.Me": { version: "v1", input: ref.schema("Empty"), output: ref.schema("Me"), errors: refusals },
        "Auth.Sessions.Logout": {
          version: "v1",
          input: ref.schema("Empty"),
          output: ref.schema("Done"),
          errors: refusals,
        },
        "Auth.Sessions.List": {
          version: "v1",
          input: ref.schema("SessionsListInput"),
          output: ref.schema("SessionsList"),
          capabilities: admin,
        },
        "Auth.Sessions.Revoke": {
          version: "v1",
          input: ref.schema("SessionRef"),
          output: ref.schema("Done"),
          errors: refusals,
          capabilities: admin,
        },

        "Auth.Connections.List": {
          version: "v1",
          input: ref.schema("ConnectionsListInput"),
          output: ref.schema("ConnectionsList"),
          capabilities: admin,
        },
        "Auth.Connections.Kick": {
          version: "v1",
          input: ref.schema("KickInput"),
          output: ref.schema("KickOutput"),
          errors: refusals,
          capabilities: admin,
        },

        "Auth.Deployments.Create": {
          version: "v1",
          input: ref.schema("DeploymentCreate"),
          output: ref.schema("Deployment"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Deployments.List": {
          version: "v1",
          input: ref.schema("DeploymentsListInput"),
          output: ref.schema("DeploymentsList"),
          capabilities: admin,
        },
        "Auth.Deployments.Get": {
          version: "v1",
          input: ref.schema("DeploymentRef"),
          output: ref.schema("Deployment"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Deployments.Update": {
          version: "v1",
          input: ref.schema("DeploymentUpdate"),
          output: ref.schema("Deployment"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Deployments.Remove": {
          version: "v1",
          input: ref.schema("DeploymentRef"),
          output: ref.schema("Done"),
          errors: refusals,
          capabilities: admin,
        },

        "Auth.Instances.Provision": {
          version: "v1",
          input: ref.schema("InstanceProvision"),
          output: ref.schema("Instance"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Instances.List": {
          version: "v1",
          input: ref.schema("InstancesListInput"),
          output: ref.schema("InstancesList"),
          capabilities: admin,
        },
        "Auth.Instances.Update": {
          version: "v1",
          input: ref.schema("InstanceUpdate"),
          output: ref.schema("Instance"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Instances.Remove": {
          version: "v1",
          input: ref.schema("InstanceRef"),
          output: ref.schema("Done"),
          errors: refusals,
          capabilities: admin,
        },

        "Auth.Authority.Plan": {
          version: "v1",
          input: ref.schema("PlanInput"),
          output: ref.schema("PlanOutput"),
          errors: [...refusals, ref.error("ManifestRefused")],
          capabilities: admin,
        },
        "Auth.Authority.List": {
          version: "v1",
          input: ref.schema("PlansListInput"),
          output: ref.schema("PlansList"),
          capabilities: admin,
        },
        "Auth.Authority.Get": {
          version: "v1",
          input: ref.schema("PlanRef"),
          output: ref.schema("Plan"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Authority.Accept": {
          version: "v1",
          input: ref.schema("PlanDecision"),
          output: ref.schema("Plan"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Authority.Reject": {
          version: "v1",
          input: ref.schema("PlanRef"),
          output: ref.schema("Plan"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Authority.Reconcile": {
          version: "v1",
          input: ref.schema("DeploymentRef"),
          output: ref.schema("Deployment"),
          errors: refusals,
          capabilities: admin,
        },

        "Auth.Explain": {
          version: "v1",
          input: ref.schema("ExplainInput"),
          output: ref.schema("ExplainOutput"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Audit.List": {
          version: "v1",
          input: ref.schema("AuditListInput"),
          output: ref.schema("AuditList"),
          capabilities: admin,
        },

        "Auth.Users.List": {
          version: "v1",
          input: ref.schema("UsersListInput"),
          output: ref.schema("UsersList"),
          capabilities: admin,
        },
        "Auth.Users.Create": {
          version: "v1",
          input: ref.schema("UserCreate"),
          output: ref.schema("User"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Users.Update": {
          version: "v1",
          input: ref.schema("UserUpdate"),
          output: ref.schema("User"),
          errors: refusals,
          capabilities: admin,
        },
        "Auth.Users.AddKey": {
          version: "v1",
          input: ref.schema("UserAddKey"),
          output: ref.schema("User"),
          errors: refusals,
          capabilities: admin,
        },
      },
      events: {
        "Auth.Connections.Opened": {
          version: "v1",
          event: ref.schema("ConnectionEvent"),
          capabilities: { publish: ["admin"], subscribe: ["admin"] },
        },
        "Auth.Connections.Closed": {
          version: "v1",
          event: ref.schema("ConnectionEvent"),
          capabilities: { publish: ["admin"], subscribe: ["admin"] },
        },
        "Auth.Connections.Kicked": {
          version: "v1",
          event: ref.schema("ConnectionEvent"),
          capabilities: { publish: ["admin"], subscribe: ["admin"] },
        },
        "Auth.Sessions.Revoked": {
          version: "v1",
          event: ref.schema("SessionRevoked"),
          capabilities: { publish: ["admin"], subscribe: ["admin"] },
        },
      },
    };
  },
);
