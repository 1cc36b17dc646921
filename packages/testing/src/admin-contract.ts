import { defineAgentContract } from "@trellis/contracts";
import { auth } from "@trellis/sdk/auth";
import { core } from "@trellis/sdk/core";
import { jobs } from "@trellis/sdk/jobs";

/** Everything the platform offers to an administrator. */
export const adminContract = defineAgentContract({
  id: "trellis-testing@v1",
  displayName: "Trellis testing",
  description: "Prepares a platform for a test.",
  uses: {
    required: {
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
          call: [
            "Jobs.List",
            "Jobs.Get",
            "Jobs.Retry",
            "Jobs.Cancel",
            "Jobs.ListDLQ",
            "Jobs.ReplayDLQ",
            "Jobs.DismissDLQ",
          ],
        },
      }),
      core: core.use({
        rpc: {
          call: [
            "Trellis.Catalog",
            "Trellis.Contract.Get",
            "Trellis.Surface.Status",
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
    },
  },
});
