import { auth } from "./auth.ts";
import { core } from "./core.ts";
import { jobs } from "./jobs.ts";
import { resources } from "./resources.ts";
import { state } from "./state.ts";

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
      call: [
        "Jobs.Health",
        "Jobs.ListServices",
        "Jobs.List",
        "Jobs.Get",
        "Jobs.Retry",
        "Jobs.Cancel",
        "Jobs.ListDLQ",
        "Jobs.ReplayDLQ",
        "Jobs.DismissDLQ",
        "Jobs.ListSchedules",
        "Jobs.PauseSchedule",
        "Jobs.ResumeSchedule",
        "Jobs.RunSchedule",
      ],
    },
    feeds: { subscribe: ["Jobs.Watch"] },
  }),
  resources: resources.use({
    rpc: {
      call: [
        "Trellis.Resources.List",
        "Trellis.Resources.Purge",
        "Trellis.Kv.Keys",
        "Trellis.Kv.Get",
        "Trellis.Kv.History",
        "Trellis.Kv.Put",
        "Trellis.Kv.Delete",
        "Trellis.Store.List",
        "Trellis.Store.Info",
        "Trellis.Store.Read",
        "Trellis.Store.Upload.Begin",
        "Trellis.Store.Upload.Piece",
        "Trellis.Store.Upload.Finish",
        "Trellis.Store.Upload.Cancel",
        "Trellis.Store.Delete",
      ],
    },
    feeds: { subscribe: ["Trellis.Kv.Watch"] },
  }),
  state: state.use({
    rpc: {
      call: [
        "State.Overview",
        "State.Admin.Overview",
        "State.Admin.List",
        "State.Admin.Get",
        "State.Admin.Delete",
        "State.Admin.Purge",
      ],
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
        "Trellis.Operations.List",
        "Trellis.Operations.Get",
        "Trellis.Operations.Cancel",
        "Trellis.Operations.Retry",
      ],
    },
  }),
};
