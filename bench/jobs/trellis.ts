import { jetstreamManager } from "@nats-io/jetstream";
import { toRecords } from "@trellis/jobs/internal";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { many, TEXT, type JobsContender } from "./contender.ts";
import { factory } from "./contract.ts";
import { connectData } from "./data-connection.ts";

const connect = () => TrellisService.connect({ contract: factory, log: SILENT_LOG, onNotice: () => undefined });

/** Ours: creation, claim and end of every job stay, and the projection of the control plane reads them all the while. */
export const contender: JobsContender = {
  async work(queue, ran) {
    const service = await connect();
    service.handle.job[queue](({ payload }) => {
      ran();
      return ok({ n: payload.n });
    });
    await service.start();
  },
  async creator(queue) {
    const service = await connect();
    const { direct, streams } = await jetstreamManager(await connectData());
    let next = 1;
    let ended = 0;
    return {
      create: (count) => many(count, async (n) => void (await service.jobs[queue].create({ n, text: TEXT }).orThrow())),
      async ended() {
        const { state } = await streams.info("JOBS");
        if (state.last_seq < next) return ended;
        const records = { seq: next, batch: 1_000, next_by_subj: "trellis.jobs.*.*.*.*" };
        for await (const stored of await direct.getBatch("JOBS", records)) {
          next = stored.seq + 1;
          const { subject, seq: sequence, timestamp: time, data } = stored;
          const told = toRecords({ subject, sequence, time, data });
          ended += told.filter((each) => each.queue === queue && each.event === "completed").length;
        }
        return ended;
      },
    };
  },
};
