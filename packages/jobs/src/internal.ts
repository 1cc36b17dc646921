/** For `@trellis/server`, the control plane and our own tools; it may change in any version. */
export { createServiceJobs, JobSetupError } from "./service-jobs.ts";
export type { ServiceJobsOptions, ServiceJobsRuntime } from "./service-jobs.ts";
export { JobJournal, toRecord } from "./job-journal.ts";
export { actOnJob } from "./outside-action.ts";
export type { ActionOutcome } from "./outside-action.ts";
export { isJobId } from "./job-id.ts";
export { readJobSubject, readRecordBody } from "./job-record.ts";
export { OUTSIDE_ACTIONS, stateAfterLast } from "./job-state.ts";
export type { OutsideClaim } from "./job-state.ts";
