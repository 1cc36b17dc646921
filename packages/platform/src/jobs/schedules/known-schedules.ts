import { parseCron } from "@trellis/contracts";
import type { CronTimes, JobManifest, ScheduleManifest } from "@trellis/contracts";
import type { ControlContext } from "../../authority/context.ts";
import type { Schedule } from "../../tables.ts";

/** One schedule of the contract a deployment runs. */
export interface KnownSchedule {
  readonly id: string;
  readonly service: string;
  readonly queue: string;
  readonly name: string;
  readonly declared: ScheduleManifest;
  readonly job: JobManifest;
  readonly times: CronTimes;
  /** What happened so far; nothing before the first look at it. */
  readonly state: Schedule | undefined;
}

/** Every schedule of every deployment that has what its contract needs, in the order of their ids. */
export function knownSchedules({ tables, catalog }: ControlContext): readonly KnownSchedule[] {
  const found: KnownSchedule[] = [];
  for (const { value } of tables.authorities.all()) {
    const manifest = value.materialized === undefined ? undefined : catalog.manifest(value.materialized.digest);
    for (const [queue, job] of Object.entries(manifest?.jobs ?? {})) {
      for (const [name, declared] of Object.entries(job.schedules ?? {})) {
        const times = parseCron(declared.cron);
        if (typeof times === "string") continue;
        const service = value.deployment;
        const id = scheduleId(service, queue, name);
        found.push({ id, service, queue, name, declared, job, times, state: tables.schedules.get(id)?.value });
      }
    }
  }
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
}

export function scheduleId(service: string, queue: string, name: string): string {
  return `${service}.${queue}.${name}`;
}
