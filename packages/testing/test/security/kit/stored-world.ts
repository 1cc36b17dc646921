import { createHash } from "node:crypto";
import type { JetStreamManager } from "@nats-io/jetstream";

/** Streams of the control plane that change by themselves, whoever does what. */
const RESTLESS = new Set(["LEASES", "SESSIONS", "AUDIT", "REGISTRY"]);

/** The platform's own events come whenever somebody connects. */
const OWN_EVENTS = /^events\.v1\.(?:Auth|Health)\./;

/** What workers say of themselves ends by itself when they are gone. */
const PRESENCE = /^trellis\.jobs\.[^.]+\.[^.]+\.mark\.worker\./;

/** The control plane marks up to where the work queue was filled. */
const FILLED = /^trellis\.(?:jobs|work)\._/;

/** Everything stored that is not `mine`, as the control plane sees it: streams, their messages, consumers and what they delivered. */
export async function storedWorld(manager: JetStreamManager, mine: string): Promise<unknown> {
  const word = mine.charAt(0).toUpperCase() + mine.slice(1);
  const isMine = (subject: string): boolean =>
    subject.startsWith(`events.v1.${word}.`) ||
    subject.startsWith(`trellis.jobs.${mine}.`) ||
    subject.startsWith(`trellis.dead.${mine}.`) ||
    subject.startsWith(`trellis.work.${mine}.`) ||
    subject.startsWith(`trellis.ops.${mine}.`);
  const streams: { [name: string]: unknown } = {};
  for await (const { config } of manager.streams.list()) {
    const { name } = config;
    if (RESTLESS.has(name)) {
      streams[name] = { config: stable(config) };
      continue;
    }
    if (name.startsWith(`KV_${mine}_`) || name.startsWith(`OBJ_${mine}_`)) continue;
    if (name === `OPS_${mine}` || name === `OPS_WORK_${mine}`) continue;
    const { state } = await manager.streams.info(name, { subjects_filter: ">" });
    const subjects = Object.entries(state.subjects ?? {}).filter(
      ([subject]) => !isMine(subject) && !OWN_EVENTS.test(subject) && !PRESENCE.test(subject) && !FILLED.test(subject),
    );
    const consumers: { [name: string]: unknown } = {};
    for await (const info of manager.consumers.list(name)) {
      if (info.name.startsWith(`${mine}_`)) continue;
      const { ack_floor, delivered, num_ack_pending, num_redelivered, num_waiting, config: consumer } = info;
      consumers[info.name] = {
        ack: ack_floor.stream_seq,
        delivered: delivered.stream_seq,
        num_ack_pending,
        num_redelivered,
        num_waiting,
        config: stable(consumer),
      };
    }
    const shared = ["EVENTS", "EVENTS_DEAD", "JOBS", "JOBS_WORK", "JOBS_MARKS", "JOBS_ADVISORIES"].includes(name);
    streams[name] = {
      config: stable(config),
      ...(shared ? {} : { last: state.last_seq, first: state.first_seq }),
      subjects: await Promise.all(
        subjects.sort().map(async ([subject, count]) => {
          const last = await manager.streams.getMessage(name, { last_by_subj: subject });
          return [
            subject,
            count,
            last?.seq,
            createHash("sha256")
              .update(last?.data ?? "")
              .digest("hex")
              .slice(0, 12),
          ];
        }),
      ),
      consumers,
    };
  }
  return streams;
}

function stable(value: object): string {
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
