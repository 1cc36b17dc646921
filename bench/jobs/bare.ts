import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { many, TEXT, type JobsContender } from "./contender.ts";
import { connectData, storedIn } from "./data-connection.ts";

const ID = "01K8A2M7T0V4E9R5W3Y6H1D8SB";
const context = { requestId: ID };
const CREATED = JSON.stringify({ id: ID, context, payload: { n: 1, text: TEXT } });
const LATER = JSON.stringify({ id: ID, context, claim: "abcdefghijkl", attempt: 1 });

/** The floor: nats.js publishes the three records of each job, one after the other. Nobody works. */
export const contender: JobsContender = {
  work: () => Promise.resolve(),
  async creator() {
    const data = await connectData();
    const stream = { name: "BARE", subjects: ["bare.>"], allow_direct: true, deny_delete: true };
    await (await jetstreamManager(data)).streams.add(stream);
    const js = jetstream(data);
    let round = 0;
    return {
      async create(count) {
        round += 1;
        await many(count, async (n) => {
          await js.publish(`bare.work.${round}-${n}.created`, CREATED);
          await js.publish(`bare.work.${round}-${n}.started`, LATER);
          await js.publish(`bare.work.${round}-${n}.completed`, LATER);
        });
      },
      ended: async () => Math.floor((await storedIn(data, "BARE")) / 3),
    };
  },
};
