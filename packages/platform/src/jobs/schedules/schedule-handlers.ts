import type { Link } from "@trellis/client/internal";
import { err, ok, type Result } from "@trellis/result";
import { type jobs, NotFound } from "@trellis/sdk";
import type { ControlContext } from "../../authority/context.ts";
import { type HandlersOf, isoTime } from "../../handlers/handler.ts";
import { page } from "../../handlers/page.ts";
import type { Schedule } from "../../tables.ts";
import { createJobNow } from "./due-job.ts";
import { nextDue } from "./due-times.ts";
import { clockIn } from "./keep-schedules.ts";
import { knownSchedules, type KnownSchedule, scheduleId } from "./known-schedules.ts";

type Names = "Jobs.ListSchedules" | "Jobs.PauseSchedule" | "Jobs.ResumeSchedule" | "Jobs.RunSchedule";

/** The schedules of every service, for operators. */
export function scheduleHandlers(context: ControlContext, link: Link): HandlersOf<typeof jobs, Names> {
  const { registry, tables } = context;
  const find = (where: {
    readonly service: string;
    readonly queue: string;
    readonly schedule: string;
  }): Result<KnownSchedule, InstanceType<typeof NotFound>> => {
    const id = scheduleId(where.service, where.queue, where.schedule);
    const found = knownSchedules(context).find((schedule) => schedule.id === id);
    return found === undefined ? err(new NotFound({ kind: "schedule", name: id })) : ok(found);
  };
  const change = async (schedule: KnownSchedule, paused: Schedule["paused"]) => {
    const { id, service, queue, name } = schedule;
    await registry.transact((tx) => {
      const before = tx.get(tables.schedules, id);
      // What was due during a pause is not made up for.
      const { paused: _, ...rest } = before ?? { service, queue, name, upTo: 0 };
      tx.put<Schedule>(tables.schedules, id, {
        ...rest,
        ...(paused === undefined ? { upTo: Date.now() } : { paused }),
      });
    });
    return ok(shown({ ...schedule, state: tables.schedules.get(id)?.value }));
  };
  return {
    "Jobs.ListSchedules": async ({ input: { service, queue, ...paging } }) => {
      const wanted = knownSchedules(context).filter(
        (schedule) =>
          (service === undefined || schedule.service === service) && (queue === undefined || schedule.queue === queue),
      );
      const { items, nextCursor } = page(wanted, ({ id }) => id, paging);
      return ok({ schedules: items.map(shown), ...(nextCursor === undefined ? {} : { nextCursor }) });
    },
    "Jobs.PauseSchedule": async ({ input, caller }) => {
      const found = find(input);
      return found.ok ? change(found.value, { by: caller.name, at: Date.now() }) : found;
    },
    "Jobs.ResumeSchedule": async ({ input }) => {
      const found = find(input);
      return found.ok ? change(found.value, undefined) : found;
    },
    "Jobs.RunSchedule": async ({ input }) => {
      const found = find(input);
      if (!found.ok) return found;
      const { service, queue } = found.value;
      return ok({ id: await createJobNow(link, found.value), service, queue, state: "pending" as const });
    },
  };
}

function shown({ service, queue, name, declared, times, state }: KnownSchedule) {
  const { cron, timeZone = "UTC", overlap = "allow", catchUp = "last" } = declared;
  const paused = state?.paused;
  const next = paused === undefined ? nextDue(times, clockIn(timeZone), Date.now()) : undefined;
  return {
    service,
    queue,
    schedule: name,
    cron,
    timeZone,
    overlap,
    catchUp,
    ...(next === undefined ? {} : { nextAt: isoTime(next) }),
    ...(paused === undefined ? {} : { pausedBy: paused.by, pausedAt: isoTime(paused.at) }),
    ...(state?.lastDueAt === undefined ? {} : { lastDueAt: isoTime(state.lastDueAt) }),
    ...(state?.lastJob === undefined ? {} : { lastJob: state.lastJob }),
    ...(state?.lastSkipped === undefined
      ? {}
      : { lastSkippedAt: isoTime(state.lastSkipped.at), skippedFor: state.lastSkipped.because }),
  };
}
