import { auth } from "./auth.ts";
import { core } from "./core.ts";
import { jobs } from "./jobs.ts";

/** Everything the platform offers to an administrator, for the `uses.required` of a tool that administers it. */
export const administration = {
  auth: auth.use({
    rpc: {
      call: [
        "Auth.Sessions.Me",
        "Auth.Sessions.List",
        "Auth.Sessions.Revoke",
        "Auth.Connections.List",
        "Auth.Connections.Kick",
        "Auth.Deployments.Create",
        "Auth.Deployments.List",
        "Auth.Deployments.Get",
        "Auth.Deployments.Update",
        "Auth.Deployments.Remove",
        "Auth.Instances.Provision",
        "Auth.Instances.List",
        "Auth.Instances.Update",
        "Auth.Instances.Remove",
        "Auth.Authority.Plan",
        "Auth.Authority.List",
        "Auth.Authority.Get",
        "Auth.Authority.Accept",
        "Auth.Authority.Reject",
        "Auth.Authority.Reconcile",
        "Auth.Explain",
        "Auth.Audit.List",
        "Auth.Users.List",
        "Auth.Users.Create",
        "Auth.Users.Update",
        "Auth.Users.AddKey",
      ],
    },
  }),
  jobs: jobs.use({
    rpc: {
      call: ["Jobs.List", "Jobs.Get", "Jobs.Retry", "Jobs.Cancel", "Jobs.ListDLQ", "Jobs.ReplayDLQ", "Jobs.DismissDLQ"],
    },
  }),
  core: core.use({
    rpc: {
      call: [
        "Trellis.Catalog",
        "Trellis.Contract.Get",
        "Trellis.Events.Groups.List",
        "Trellis.Events.Groups.Pause",
        "Trellis.Events.Groups.Resume",
        "Trellis.Events.DeadLetters.List",
        "Trellis.Events.DeadLetters.Get",
        "Trellis.Events.DeadLetters.Replay",
        "Trellis.Events.DeadLetters.Drop",
      ],
    },
  }),
};
