import type { JobEvent, JobRecordBody } from "@trellis/jobs";
import { describe, expect, it } from "vitest";
import { JobTable } from "./job-table.ts";

function tableOf(limit: number) {
  const table = new JobTable(limit);
  let sequence = 0;
  const apply = (
    event: JobEvent,
    id: string,
    more: Omit<Partial<JobRecordBody>, "id" | "context"> = {},
    queue = "q",
  ) => {
    sequence += 1;
    return table.apply({
      service: "s",
      queue,
      event,
      sequence,
      order: sequence,
      inPack: false,
      at: sequence,
      body: { id, context: { requestId: id }, ...more },
    });
  };
  return { table, apply };
}

describe("the table of jobs", () => {
  it("pages through a queue while it grows, each job once", () => {
    const { table, apply } = tableOf(100);
    for (let n = 0; n < 10; n += 1) apply("created", `j${n}`);
    const first = table.list({ queue: "q" }, 4);
    apply("created", "later");
    const second = table.list({ queue: "q" }, 4, first.next);
    const third = table.list({ queue: "q" }, 4, second.next);
    const ids = [...first.jobs, ...second.jobs, ...third.jobs].map(({ id }) => id);
    expect(ids).toEqual(["j9", "j8", "j7", "j6", "j5", "j4", "j3", "j2", "j1", "j0"]);
    expect(third.next).toBeUndefined();
  });

  it("counts what is in which state, and finds by id, group and schedule", () => {
    const { table, apply } = tableOf(100);
    apply("created", "a", { group: "g" });
    apply("created", "b", { schedule: { name: "nightly", dueAt: 1 } });
    apply("created", "a", {}, "other");
    apply("started", "b", { attempt: 1 });
    expect(table.queues()[0]?.counts).toMatchObject({ pending: 1, active: 1 });
    expect(table.openOfSchedule("s", "q", "nightly")).toEqual(["b"]);
    apply("completed", "b");
    expect(table.queues()[0]?.counts).toMatchObject({ pending: 1, active: 0, completed: 1 });
    expect(table.openOfSchedule("s", "q", "nightly")).toEqual([]);
    expect(table.list({ id: "a" }, 5).jobs.map(({ queue }) => queue)).toEqual(["other", "q"]);
    expect(table.list({ group: "g" }, 5).jobs).toHaveLength(1);
    expect(table.list({ schedule: "nightly" }, 5).jobs.map(({ id }) => id)).toEqual(["b"]);
    expect(table.list({ queue: "none" }, 5).jobs).toEqual([]);
  });

  it("says nothing of a record that changes nothing: an end after the end, a claim from outside", () => {
    const { apply } = tableOf(100);
    apply("created", "a");
    expect(apply("started", "a", { for: "cancel" })).toBeUndefined();
    expect(apply("cancelled", "a")?.state).toBe("cancelled");
    expect(apply("completed", "a")).toBeUndefined();
  });

  it("keeps so many: the oldest that have ended leave first, and what has not ended stays", () => {
    const { table, apply } = tableOf(20);
    for (let n = 0; n < 10; n += 1) {
      apply("created", `open${n}`);
      apply("created", `done${n}`);
      apply("started", `done${n}`, { attempt: 1 });
      apply("completed", `done${n}`);
    }
    apply("created", "one more");
    expect(table.size).toBe(19);
    expect(table.list({ id: "done0" }, 1).jobs).toEqual([]);
    expect(table.list({ id: "done9" }, 1).jobs).toHaveLength(1);
    for (let n = 0; n < 50; n += 1) apply("created", `more${n}`);
    expect(table.list({ id: "open0" }, 1).jobs).toHaveLength(1);
    expect(table.queues()[0]?.counts).toMatchObject({ pending: 61, completed: 0 });
  });
});
