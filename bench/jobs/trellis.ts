import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { many, TEXT, type JobsContender } from "./contender.ts";
import { factory } from "./contract.ts";
import { connectData, storedIn } from "./data-connection.ts";

/** created, started, completed. */
const RECORDS_A_JOB = 3;

const connect = () => TrellisService.connect({ contract: factory, log: SILENT_LOG, onNotice: () => undefined });

/** Ours: every job leaves three records, and the projection of the control plane reads them all the while. */
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
    const data = await connectData();
    const before = await storedIn(data, "JOBS");
    return {
      create: (count) => many(count, async (n) => void (await service.jobs[queue].create({ n, text: TEXT }).orThrow())),
      ended: async () => Math.floor(((await storedIn(data, "JOBS")) - before) / RECORDS_A_JOB),
    };
  },
};
