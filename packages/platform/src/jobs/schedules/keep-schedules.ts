import { pause, type Link } from "@trellis/client/internal";
import { actOnJob, JobJournal } from "@trellis/jobs/internal";
import type { ControlContext } from "../../authority/context.ts";
import type { Log } from "../../log.ts";
import type { Schedule } from "../../tables.ts";
import type { JobProjection } from "../job-projection.ts";
import { clockOf, nextDue, type Clock } from "./due-times.ts";
import { createDueJob, dueJobId } from "./due-job.ts";
import { knownSchedules, type KnownSchedule } from "./known-schedules.ts";

export interface KeepOptions {
  readonly context: ControlContext;
  readonly link: Link;
  readonly projection: JobProjection;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const LONGEST_PAUSE_MS = 1_000;
/** A time that is later than this was missed: the platform was away. */
const LATE_MS = 60_000;
/** Jobs of one schedule that are made up for in one go; the rest follows in the next. */
const AT_ONCE = 100;
/** Longer than clocks of two machines differ: then ours was set back, and what is recorded is of no use. */
const SET_BACK_MS = 60_000;

const clocks = new Map<string, Clock>();

/**
 * Creates a job for every time a schedule is due. One replica at a time does, and two do no harm: the id of the job is made
 * from the time, and what is recorded afterwards only says from when on to look.
 */
export async function keepSchedules(options: KeepOptions): Promise<void> {
  const { context, log, signal } = options;
  while (!signal.aborted) {
    let next = Date.now() + LONGEST_PAUSE_MS;
    const known = knownSchedules(context);
    for (const schedule of known) {
      try {
        next = Math.min(next, await look(options, schedule));
      } catch (error) {
        log.warn("a schedule could not be looked after; it is tried again", {
          service: schedule.service,
          queue: schedule.queue,
          schedule: schedule.name,
          error: error instanceof Error ? error.message : String(error),
        });
      }
      if (signal.aborted) return;
    }
    await forgetGone(context, known);
    await pause(Math.max(1, next - Date.now()), signal);
  }
}

/** Does what is due; answers when to look again. */
async function look(options: KeepOptions, schedule: KnownSchedule): Promise<number> {
  const now = Date.now();
  const { state, declared } = schedule;
  if (state === undefined || state.upTo > now + SET_BACK_MS) {
    await record(options.context, schedule, { upTo: now }, { backwards: true });
    return now;
  }
  if (state.paused !== undefined) return Number.POSITIVE_INFINITY;
  const due = dueSince(schedule, state.upTo, now);
  if (due.length === 0) return nextDue(schedule.times, clockIn(declared.timeZone), now) ?? Number.POSITIVE_INFINITY;
  for (const dueAt of due) {
    if (options.signal.aborted) return now;
    const outcome = await fire(options, schedule, dueAt);
    await record(options.context, schedule, { upTo: dueAt, lastDueAt: dueAt, ...outcome });
  }
  return now;
}

/** The times to create a job for, of those that have passed since. */
function dueSince({ times, declared }: KnownSchedule, since: number, now: number): readonly number[] {
  const clock = clockIn(declared.timeZone);
  const { catchUp = "last" } = declared;
  const first = nextDue(times, clock, since);
  if (first === undefined || first > now) return [];
  const missed = first < now - LATE_MS;
  const from = !missed || catchUp === "all" ? since : now - LATE_MS;
  const due: number[] = [];
  for (let at = nextDue(times, clock, from); at !== undefined && at <= now; at = nextDue(times, clock, at)) {
    due.push(at);
    if (due.length === AT_ONCE) break;
  }
  if (!missed || catchUp !== "last") return due;
  const newest = due.at(-1) ?? newestBefore(times, clock, first, now);
  return [newest];
}

/** The newest due time up to now; `first` is one. */
function newestBefore(times: KnownSchedule["times"], clock: Clock, first: number, now: number): number {
  let newest = first;
  // From ever further back, so that a schedule of every second costs no walk over a year.
  for (let backMs = LATE_MS; newest === first; backMs *= 8) {
    const from = Math.max(first, now - backMs);
    for (let at = nextDue(times, clock, from); at !== undefined && at <= now; at = nextDue(times, clock, at))
      newest = at;
    if (from === first) return newest;
  }
  return newest;
}

async function fire(
  { link, projection }: KeepOptions,
  schedule: KnownSchedule,
  dueAt: number,
): Promise<Pick<Schedule, "lastJob" | "lastSkipped">> {
  const { service, queue, name, declared } = schedule;
  const { overlap = "allow" } = declared;
  const id = dueJobId(schedule, dueAt);
  if (overlap !== "allow") {
    await projection.catchUp();
    // Ours may be there: then we died before we could record it.
    const open = projection.table.openOfSchedule(service, queue, name).filter((job) => job !== id);
    if (overlap === "skip" && open[0] !== undefined) return { lastSkipped: { at: dueAt, because: open[0] } };
    for (const job of open) {
      const journal = new JobJournal({ link, service, queue, fresh: true });
      await actOnJob(journal, job, "cancel", { by: "trellis", reason: `Its schedule ${name} is due again.` });
    }
  }
  return { lastJob: await createDueJob(link, schedule, dueAt) };
}

function record(
  { registry, tables }: ControlContext,
  { id, service, queue, name }: KnownSchedule,
  change: Partial<Schedule> & { readonly upTo: number },
  { backwards = false }: { readonly backwards?: boolean } = {},
): Promise<unknown> {
  return registry.transact((tx) => {
    const before = tx.get(tables.schedules, id);
    const upTo = backwards ? change.upTo : Math.max(before?.upTo ?? 0, change.upTo);
    if (before !== undefined && upTo === before.upTo && change.lastDueAt === undefined) return;
    tx.put<Schedule>(tables.schedules, id, { ...before, service, queue, name, ...change, upTo });
  });
}

/** Forgets what is known of schedules no contract names any more; a deployment that is just being changed keeps its own. */
async function forgetGone({ registry, tables }: ControlContext, known: readonly KnownSchedule[]): Promise<void> {
  const ids = new Set(known.map(({ id }) => id));
  for (const { id, value } of tables.schedules.all()) {
    if (ids.has(id)) continue;
    const authority = tables.authorities.get(value.service)?.value;
    if (authority !== undefined && authority.materialized === undefined) continue;
    await registry.transact((tx) => tx.delete(tables.schedules, id));
  }
}

export function clockIn(timeZone = "UTC"): Clock {
  const known = clocks.get(timeZone) ?? clockOf(timeZone);
  clocks.set(timeZone, known);
  return known;
}
