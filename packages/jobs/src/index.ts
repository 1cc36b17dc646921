export { JobEnded, JobNotCancelled } from "./job-ref.ts";
export type { JobRef, WaitOptions } from "./job-ref.ts";
export type { CreateOptions, JobQueue } from "./job-queue.ts";
export type { JobContextOf, JobHandler, JobRegistrars, RunningJob } from "./job-handler.ts";
export type { ServiceJobs } from "./service-jobs.ts";
export { endsLife, isTerminal, JOB_EVENTS, JOB_STATES, nextState } from "./job-state.ts";
export type { JobEvent, JobState } from "./job-state.ts";
export type { JobContext, JobProblem, JobRecord, JobRecordBody } from "./job-record.ts";
