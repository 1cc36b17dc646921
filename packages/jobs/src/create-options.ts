import type { JobPriority, Json } from "@trellis/contracts";
import { newJobId, jobIdOfKey } from "./job-id.ts";
import type { JobContext, JobRecordBody } from "./job-record.ts";
import type { QueueFacts } from "./queue-facts.ts";

export interface CreateOptions {
  /** One job a key: creating it again answers the job there is, whatever became of it. */
  readonly key?: string;
  /** One job at a time: the key is free again when its job has ended. */
  readonly unique?: UniqueOptions;
  /** Begins this much later at the earliest. */
  readonly delayMs?: number;
  /** Begins then at the earliest. */
  readonly runAt?: Date;
  /** What waits with a higher one begins first, in a queue with `priorities`; with a `key`, another priority is another job. */
  readonly priority?: "high" | "normal" | "low";
  /** Whose limits it shares, in a queue with `perGroup`. */
  readonly group?: string;
  /** Ends the job as expired when it has not finished this long after it could begin. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface UniqueOptions {
  readonly key: string;
  /**
   * What becomes of a job that is created while another holds the key: `attach` answers the other, `replace` cancels the
   * other. `attach` without it.
   */
  readonly whenTaken?: "attach" | "replace";
}

/** Creates no job while another holds the key. */
export interface RejectOptions extends Omit<CreateOptions, "unique"> {
  readonly unique: { readonly key: string; readonly whenTaken: "reject" };
}

/** An option the queue cannot honour is a mistake in the program, not a failure of the platform. */
export function checkOptions(facts: QueueFacts, options: CreateOptions | RejectOptions): void {
  const { queue, priorities, perGroup } = facts;
  const { key, unique, delayMs, runAt, priority, group } = options;
  const wrong = (why: string): never => {
    throw new RangeError(`The job for the queue ${queue} cannot be created: ${why}`);
  };
  if (key !== undefined && unique !== undefined)
    wrong("it has a key and a unique key. Keep `key` for one job ever, or `unique` for one at a time.");
  if (delayMs !== undefined && runAt !== undefined) wrong("it has both `delayMs` and `runAt`. Keep one of them.");
  if (delayMs !== undefined && !(delayMs >= 0 && Number.isFinite(delayMs)))
    wrong(`its delay is ${delayMs} ms. Write a number of milliseconds, zero or more.`);
  if (runAt !== undefined && Number.isNaN(runAt.getTime())) wrong("`runAt` is no time.");
  if (priority !== undefined && priority !== "normal" && !priorities)
    wrong(`its contract knows no priorities here. Write \`priorities: true\` at the queue ${queue}.`);
  if (group !== undefined && perGroup === undefined)
    wrong(`its contract has no limits for groups. Write \`perGroup\` at the queue ${queue}.`);
}

/** Whether a job may begin with the same record as others: nothing is said about it that not all of them have in common. */
export function mayBePacked(
  { rate, perGroup, priorities, maxDeliver }: QueueFacts,
  { key, unique, delayMs, runAt, signal }: CreateOptions | RejectOptions,
): boolean {
  // A worker that claims a pack takes all of it; then limits and priorities come too late, and dying with it costs each job an attempt.
  if (rate !== undefined || perGroup !== undefined || priorities || maxDeliver === 1) return false;
  return [key, unique, delayMs, runAt, signal].every((each) => each === undefined);
}

/** The id of a job with a record of its own. */
export function jobIdFor({ key, priority }: CreateOptions | RejectOptions, nowMs: number): string {
  const level: JobPriority | undefined = priority === "normal" ? undefined : priority;
  return key === undefined ? newJobId(nowMs, level) : jobIdOfKey(key, level);
}

/** The record a job begins with. */
export function createdRecord(
  id: string,
  facts: QueueFacts,
  payload: Json,
  { key, delayMs, runAt, group, deadlineMs = facts.defaultDeadlineMs }: CreateOptions | RejectOptions,
  { nowMs, context }: { readonly nowMs: number; readonly context: (id: string) => JobContext },
): JobRecordBody {
  const notBefore = runAt?.getTime() ?? (delayMs === undefined ? undefined : Math.round(nowMs + delayMs));
  return {
    id,
    context: context(id),
    payload,
    ...(key === undefined ? {} : { key }),
    ...(group === undefined ? {} : { group }),
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(deadlineMs === undefined ? {} : { deadlineAt: Math.round(Math.max(nowMs, notBefore ?? 0) + deadlineMs) }),
  };
}
