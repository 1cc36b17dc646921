import type { Json } from "@trellis/contracts";
import { PACK_MOST, priorityOf } from "./job-id.ts";
import { JOB_EVENTS, OUTSIDE_CLAIMS } from "./job-state.ts";
import type { ClaimPurpose, JobEvent } from "./job-state.ts";

/** Where a job comes from, on each of its records. */
export interface JobContext {
  readonly requestId: string;
  readonly traceId?: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** Why a job or one attempt of it failed. */
export interface JobProblem {
  readonly type: string;
  readonly message: string;
}

/** What a record of a job says; which members there are depends on the event. */
export interface JobRecordBody {
  readonly id: string;
  readonly context: JobContext;
  /** created, retried. */
  readonly payload?: Json;
  readonly deadlineAt?: number;
  readonly key?: string;
  /** created, retried: jobs of one group share its limits. */
  readonly group?: string;
  /** created: the schedule it comes from, and the time it was due. */
  readonly schedule?: { readonly name: string; readonly dueAt: number };
  /** started, and every record under that claim: who holds the job. */
  readonly claim?: string;
  /** started: runs of this life so far, this one included when a worker claims. */
  readonly attempt?: number;
  readonly worker?: string;
  /** started: no worker claims, and for what. */
  readonly for?: ClaimPurpose;
  readonly progress?: Json;
  readonly message?: string;
  /** created, retry: it does not begin before. */
  readonly notBefore?: number;
  /** retry: the worker had to stop; this attempt does not count. */
  readonly givenBack?: boolean;
  readonly result?: Json;
  readonly error?: JobProblem;
  /** cancelled, expired, retried, dismissed: who wanted it, and why. */
  readonly by?: string;
  readonly reason?: string;
  /** created: the jobs that begin with this record, when they are several (see `job-pack.ts`). */
  readonly jobs?: readonly JobRecordBody[];
  /** started: so many jobs of a pack are claimed at once. */
  readonly size?: number;
  /** started: the jobs of a pack that were completed under its claim so far, and how many of them the record before has told. */
  readonly completed?: readonly CompletedInPack[];
  readonly told?: number;
  /** created: no job begins with it; those in it began with the record at this sequence and are handed out again. */
  readonly since?: number;
  /** created: those jobs may have been begun and ended under this claim of their pack. */
  readonly after?: string;
}

/** The job at this place of a pack is completed. */
export interface CompletedInPack {
  readonly at: number;
  readonly result?: Json;
}

/** One stored record of a job. */
export interface JobRecord {
  readonly service: string;
  readonly queue: string;
  readonly event: JobEvent;
  readonly sequence: number;
  /** The place among all records of all jobs: jobs that were created together share the sequence. */
  readonly order: number;
  /** It is from a record of a whole pack: the subjects of the job itself have nothing of it. */
  readonly inPack: boolean;
  /** When the stream took it, in milliseconds. */
  readonly at: number;
  readonly body: JobRecordBody;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

const EVENTS: ReadonlyMap<string, JobEvent> = new Map(JOB_EVENTS.map((event) => [event, event]));

/** `trellis.jobs.<service>.<queue>.<jobId>.<event>`, read back. */
export function readJobSubject(
  subject: string,
): { readonly service: string; readonly queue: string; readonly id: string; readonly event: JobEvent } | undefined {
  const [trellis, jobs, service, queue, id, named, more] = subject.split(".");
  if (trellis !== "trellis" || jobs !== "jobs" || more !== undefined) return undefined;
  if (!service || !queue || !id || named === undefined) return undefined;
  // Records that make work carry the priority of their job.
  const priority = priorityOf(id);
  const event = EVENTS.get(priority === undefined ? named : named.replace(`_${priority}`, ""));
  return event === undefined ? undefined : { service, queue, id, event };
}

export function writeRecord(body: JobRecordBody): Uint8Array {
  return encoder.encode(JSON.stringify(body));
}

/** The body of a record, or nothing when it is not one. */
export function readRecordBody(data: Uint8Array): JobRecordBody | undefined {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(data));
  } catch {
    return undefined;
  }
  return isRecordBody(value) ? value : undefined;
}

/** The last millisecond a date can stand for. */
const LAST_INSTANT = 8_640_000_000_000_000;

/**
 * Only the owning service and the control plane can write records. Enough is checked that a bad one harms nobody else:
 * operators see the jobs of all services in one list.
 */
export function isRecordBody(value: unknown): value is JobRecordBody {
  if (!isObject(value) || typeof value.id !== "string" || !isObject(value.context)) return false;
  const {
    claim,
    worker,
    key,
    group,
    message,
    by,
    reason,
    deadlineAt,
    notBefore,
    attempt,
    schedule,
    error,
    jobs,
    size,
    since,
    after,
    completed,
    told,
  } = value;
  return (
    isTextOrAbsent(claim) &&
    isTextOrAbsent(worker) &&
    isTextOrAbsent(key) &&
    isTextOrAbsent(group) &&
    isTextOrAbsent(message) &&
    isTextOrAbsent(by) &&
    isTextOrAbsent(reason) &&
    (deadlineAt === undefined || isInstant(deadlineAt)) &&
    (notBefore === undefined || isInstant(notBefore)) &&
    (attempt === undefined || Number.isSafeInteger(attempt)) &&
    (schedule === undefined ||
      (isObject(schedule) && typeof schedule.name === "string" && isInstant(schedule.dueAt))) &&
    (error === undefined || (isObject(error) && typeof error.type === "string" && typeof error.message === "string")) &&
    (value.for === undefined || value.for === "split" || OUTSIDE_CLAIMS.some((each) => each === value.for)) &&
    (jobs === undefined || (Array.isArray(jobs) && isFew(jobs.length) && jobs.every(isJobOfPack))) &&
    (size === undefined || isFew(size)) &&
    (since === undefined || Number.isSafeInteger(since)) &&
    (completed === undefined || (Array.isArray(completed) && completed.every(isCompletedInPack))) &&
    (told === undefined || Number.isSafeInteger(told)) &&
    isTextOrAbsent(after)
  );
}

function isObject(value: unknown): value is { readonly [member: string]: unknown } {
  return typeof value === "object" && value !== null;
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

/** Packs are not nested: whoever writes them to any depth must not exhaust the stack of the reader. */
function isJobOfPack(value: unknown): boolean {
  return isObject(value) && value.jobs === undefined && isRecordBody(value);
}

function isCompletedInPack(value: unknown): boolean {
  return isObject(value) && Number.isInteger(value.at) && Number(value.at) >= 0 && Number(value.at) < PACK_MOST;
}

function isFew(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= PACK_MOST;
}

function isInstant(value: unknown): boolean {
  return typeof value === "number" && Math.abs(value) <= LAST_INSTANT;
}
