import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";

/** Queues that are filled by the clock. */
export const clockwork = defineServiceContract({ schemas: { Tick: Type.Object({ of: Type.String() }) } }, (ref) => ({
  id: "clockwork@v1",
  displayName: "Clockwork",
  description: "Runs jobs by the clock in tests.",
  jobs: {
    ticks: {
      payload: ref.schema("Tick"),
      ackWaitMs: 5_000,
      concurrency: 4,
      schedules: {
        second: { cron: "* * * * * *", payload: { of: "second" } },
        yearly: { cron: "0 0 1 1 *", timeZone: "Europe/Berlin", payload: { of: "year" } },
      },
    },
    slow: {
      payload: ref.schema("Tick"),
      concurrency: 4,
      schedules: {
        skipping: { cron: "* * * * * *", payload: { of: "skipping" }, overlap: "skip" },
        replacing: { cron: "* * * * * *", payload: { of: "replacing" }, overlap: "replace" },
      },
    },
  },
}));
