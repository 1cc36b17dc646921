import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { JOBS_STREAM } from "@trellis/contracts";

const AT_ONCE = 500;
/** About as long as the records of the mill. */
const TEXT = "x".repeat(200);

/** Fills the job stream with the records of jobs that ended long ago, until it drops its oldest. */
export async function fillJobs(data: NatsConnection): Promise<void> {
  const [stream, manager] = [jetstream(data), await jetstreamManager(data)];
  const isFull = async (): Promise<boolean> => (await manager.streams.info(JOBS_STREAM)).state.first_seq > 1;
  for (let made = 0; !(await isFull()); made += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, n) => {
        const id = `past-${made + n}`;
        const body = JSON.stringify({ id, context: { requestId: id, traceId: TEXT }, attempt: 1 });
        // Not `created`, which would be work.
        for (const event of ["started", "completed"])
          await stream.publish(`trellis.jobs.filler.past.${id}.${event}`, body, { timeout: 30_000 });
      }),
    );
  }
}
