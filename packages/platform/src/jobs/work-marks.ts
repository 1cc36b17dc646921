import type { NatsConnection } from "@nats-io/nats-core";
import { JOBS_WORK_STREAM } from "@trellis/contracts";
import { jsApi, publishStored } from "../registry/jetstream-api.ts";
import { WORK_MARK } from "../resources/shared-streams.ts";
import { pause } from "./job-projection.ts";
import type { JobProjection } from "./job-projection.ts";

const LOOK_MS = 250;
/** Work that is this much older than the end comes again when the queue has another leader; its journals say that it is done. */
const EVERY_MS = 2_000;
/** A mark must not be older than the queue keeps anything. */
const FRESH_MS = 10 * 60_000;
const NOTHING = new Uint8Array(0);

/**
 * Marks in the work queue up to where it was filled.
 *
 * The server fills the queue from the job stream. A new leader of the queue that finds no message under a subject it knows how to
 * look for goes on with jobs that were stored after the *time* of the queue's newest item (2.14.5, `setupSourceConsumer`). Jobs that
 * were stored before, and were still on their way because the queue lagged, would never be handed out. A mark is a message of the
 * job stream on its way like all others, under a subject without wildcards, and nobody takes it out of the queue: from its place
 * on everything comes, some of it a second time.
 */
export async function markWork(
  nc: NatsConnection,
  projection: Pick<JobProjection, "lastSequence">,
  signal: AbortSignal,
): Promise<void> {
  let marked = 0;
  let markedAt = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    const ageMs = performance.now() - markedAt;
    const { lastSequence } = projection;
    // Less than the mark: another stream has taken its place.
    if ((lastSequence !== marked && ageMs > EVERY_MS) || (lastSequence > 0 && ageMs > FRESH_MS)) {
      marked = (await publishStored(nc, WORK_MARK.record, NOTHING)).seq;
      markedAt = performance.now();
      // The one before it serves until it has arrived.
      await jsApi(nc, `STREAM.PURGE.${JOBS_WORK_STREAM}`, { filter: WORK_MARK.item, keep: 1 });
    }
    await pause(LOOK_MS, signal);
  }
}
