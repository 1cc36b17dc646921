import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

const Letter = Type.Object({ to: Type.String({ minLength: 1 }), text: Type.String() });
const Accepted = Type.Object({ job: Type.String() });
const Sent = Type.Object({ to: Type.String(), attempts: Type.Integer() });

export default defineServiceContract({ schemas: { Letter, Accepted, Sent } }, (ref) => ({
  id: "mailer@v1",
  displayName: "Mailer",
  description: "Send letters.",
  rpc: {
    "Mail.Send": { version: "v1", input: ref.schema("Letter"), output: ref.schema("Accepted") },
  },
  jobs: {
    letters: {
      payload: ref.schema("Letter"),
      result: ref.schema("Sent"),
      concurrency: 8, // at once, in each replica
      maxDeliver: 4, // runs before it is a dead letter
      backoffMs: [200, 1_000, 60_000], // pauses between them
      ackWaitMs: 10_000, // a replica that is silent for longer has died
      defaultDeadlineMs: 3_600_000,
    },
    newsletters: {
      payload: ref.schema("Letter"),
      concurrency: 8,
      priorities: true, // create(letter, { priority: "high" })
      rate: { limit: 100, perMs: 60_000 }, // a hundred a minute, over all replicas
      perGroup: { concurrency: 1 }, // create(letter, { group: "ada" }): one at a time for ada
      schedules: {
        weekly: {
          cron: "0 9 * * mon",
          timeZone: "Europe/Berlin",
          payload: { to: "everybody@example.org", text: "What happened this week" },
          overlap: "skip",
        },
      },
    },
  },
}));
