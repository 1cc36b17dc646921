import type { Link } from "@trellis/client/internal";
import { JobJournal, jobIdOfKey, newJobId } from "@trellis/jobs/internal";
import type { KnownSchedule } from "./known-schedules.ts";

/** The id of the one job of a due time: whoever creates it, and however often, there is one. */
export function dueJobId({ name }: KnownSchedule, dueAt: number): string {
  return jobIdOfKey(dueKey(name, dueAt));
}

function dueKey(name: string, dueAt: number): string {
  return `schedule ${name} ${new Date(dueAt).toISOString()}`;
}

/** Creates the job of a due time, unless it is there. */
export async function createDueJob(link: Link, schedule: KnownSchedule, dueAt: number): Promise<string> {
  const id = dueJobId(schedule, dueAt);
  await create(link, schedule, id, dueAt, dueKey(schedule.name, dueAt));
  return id;
}

/** Creates a job of a schedule because somebody wants it now. */
export async function createJobNow(link: Link, schedule: KnownSchedule): Promise<string> {
  const now = Date.now();
  const id = newJobId(now);
  await create(link, schedule, id, now);
  return id;
}

/** Longer than a server takes to restart; then the loop begins again, and nothing is created twice. */
const CREATE_MS = 15_000;

async function create(link: Link, schedule: KnownSchedule, id: string, dueAt: number, key?: string): Promise<void> {
  const { service, queue, name, declared, job } = schedule;
  const journal = new JobJournal({ link, service, queue, fresh: true });
  await journal.append(
    "created",
    {
      id,
      context: { requestId: id },
      payload: declared.payload,
      schedule: { name, dueAt },
      ...(key === undefined ? {} : { key }),
      ...(job.defaultDeadlineMs === undefined ? {} : { deadlineAt: Date.now() + job.defaultDeadlineMs }),
    },
    { expect: { event: "created", sequence: 0 }, withinMs: CREATE_MS },
  );
}
