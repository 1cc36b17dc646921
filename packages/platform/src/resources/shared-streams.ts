import {
  DEAD_EVENTS_STREAM,
  EVENTS_STREAM,
  JOB_PRIORITIES,
  JOBS_MARKS_STREAM,
  JOBS_STREAM,
  JOBS_WORK_STREAM,
  REPLAY_TRANSFORM,
} from "@trellis/contracts";
import type { StreamConfig } from "./physical.ts";

/** Streams every deployment shares, and how long they keep things. */
export interface SharedStreamLimits {
  readonly replicas: number;
  readonly eventsMaxAgeMs: number;
  readonly eventsMaxBytes: number;
  /** A publisher that got no answer may send the same event id again for this long. */
  readonly eventsDedupeMs: number;
  readonly deadEventsMaxAgeMs: number;
  readonly deadEventsMaxBytes: number;
  readonly jobsMaxAgeMs: number;
  readonly jobsMaxBytes: number;
}

/** A week of events and a month of jobs; sizes are without limit until the operator knows the disk. */
export const SHARED_STREAM_DEFAULTS: SharedStreamLimits = {
  replicas: 1,
  eventsMaxAgeMs: 7 * 86_400_000,
  eventsMaxBytes: -1,
  eventsDedupeMs: 2 * 60_000,
  deadEventsMaxAgeMs: 30 * 86_400_000,
  deadEventsMaxBytes: -1,
  jobsMaxAgeMs: 30 * 86_400_000,
  jobsMaxBytes: -1,
};

/** Deliveries that were given up, as JetStream reports them; somebody must have listened when it did. */
export const JOBS_ADVISORIES_STREAM = "JOBS_ADVISORIES";

/** Up to where the work queue was filled (`jobs/work-marks.ts`). No service and no queue can have these names. */
export const WORK_MARK = { record: "trellis.jobs._._._.filled", item: "trellis.work._" } as const;

const NS_PER_MS = 1_000_000;
const OURS = { "trellis.shared": "true" };

/**
 * Shared streams take no roll-ups (`Nats-Rollup: all` would wipe them) and no schedules, and deny delete and purge:
 * whoever may publish to one must not be able to change what others stored (traps, headers are powers).
 */
export function sharedStreams(limits: SharedStreamLimits): readonly StreamConfig[] {
  return streamsOf(limits).map((stream) => ({
    ...stream,
    // JetStream refuses a window longer than the age of the messages.
    duplicate_window: Math.min(stream.duplicate_window, stream.max_age),
  }));
}

function streamsOf(limits: SharedStreamLimits) {
  const common = {
    storage: "file",
    num_replicas: limits.replicas,
    allow_direct: true,
    deny_delete: true,
    deny_purge: true,
    duplicate_window: 2 * 60_000 * NS_PER_MS,
    metadata: OURS,
  };
  return [
    {
      ...common,
      name: EVENTS_STREAM,
      subjects: ["events.>"],
      retention: "limits",
      discard: "old",
      max_age: limits.eventsMaxAgeMs * NS_PER_MS,
      max_bytes: limits.eventsMaxBytes,
      duplicate_window: limits.eventsDedupeMs * NS_PER_MS,
      subject_transform: REPLAY_TRANSFORM,
      // A publisher may let its own event live shorter, such as heartbeats.
      allow_msg_ttl: true,
    },
    {
      ...common,
      // A person who replays or drops a dead letter takes it away; participants reach no API that deletes.
      deny_delete: false,
      name: DEAD_EVENTS_STREAM,
      subjects: ["trellis.dead.>"],
      retention: "limits",
      discard: "old",
      // Named by the event's place in the stream: putting one aside again changes nothing.
      max_msgs_per_subject: 1,
      max_age: limits.deadEventsMaxAgeMs * NS_PER_MS,
      max_bytes: limits.deadEventsMaxBytes,
    },
    {
      ...common,
      name: JOBS_STREAM,
      subjects: ["trellis.jobs.*.*.*.*"],
      retention: "limits",
      discard: "old",
      max_age: limits.jobsMaxAgeMs * NS_PER_MS,
      max_bytes: limits.jobsMaxBytes,
    },
    {
      ...common,
      name: JOBS_MARKS_STREAM,
      subjects: ["trellis.jobs.*.*.mark.*.*"],
      retention: "limits",
      discard: "old",
      max_msgs_per_subject: 1,
      max_age: limits.jobsMaxAgeMs * NS_PER_MS,
      // A worker that is gone is not listed for long.
      allow_msg_ttl: true,
    },
    {
      ...common,
      // Work leaves by acknowledgement only, which is a delete to JetStream.
      deny_delete: false,
      deny_purge: false,
      name: JOBS_WORK_STREAM,
      retention: "workqueue",
      discard: "old",
      max_age: limits.jobsMaxAgeMs * NS_PER_MS,
      sources: [
        {
          name: JOBS_STREAM,
          subject_transforms: [
            ...["created", "retried"].flatMap((event) => [
              { src: `trellis.jobs.*.*.*.${event}`, dest: "trellis.work.$1.$2" },
              ...JOB_PRIORITIES.map((priority) => ({
                src: `trellis.jobs.*.*.*.${event}_${priority}`,
                dest: `trellis.work.$1.$2.${priority}`,
              })),
            ]),
            { src: WORK_MARK.record, dest: WORK_MARK.item },
          ],
        },
      ],
    },
    {
      ...common,
      name: JOBS_ADVISORIES_STREAM,
      subjects: [`$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${JOBS_WORK_STREAM}.>`],
      retention: "limits",
      discard: "old",
      max_age: limits.jobsMaxAgeMs * NS_PER_MS,
    },
  ];
}
