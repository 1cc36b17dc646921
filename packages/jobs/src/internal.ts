/** For `@trellis/server`, the control plane and our own tools; it may change in any version. */
export { createServiceJobs, JobSetupError } from "./service-jobs.ts";
export type { ServiceJobsOptions, ServiceJobsRuntime } from "./service-jobs.ts";
export { JobJournal } from "./job-journal.ts";
export { toRecords } from "./stored-records.ts";
export { actOnJob } from "./outside-action.ts";
export type { ActionOutcome } from "./outside-action.ts";
export { isJobId, jobIdInPack, jobIdOfKey, newJobId, packOf } from "./job-id.ts";
export { readPresence } from "./worker-presence.ts";
export type { WorkerPresence } from "./worker-presence.ts";
export { readJobSubject, readRecordBody } from "./job-record.ts";
export { OUTSIDE_ACTIONS, stateAfterLast } from "./job-state.ts";
export type { OutsideClaim } from "./job-state.ts";
