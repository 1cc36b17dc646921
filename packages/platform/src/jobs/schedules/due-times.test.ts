import { parseCron } from "@trellis/contracts";
import { describe, expect, it } from "vitest";
import { clockOf, nextDue } from "./due-times.ts";

function due(cron: string, timeZone: string, after: string, count: number): readonly string[] {
  const times = parseCron(cron);
  if (typeof times === "string") throw new Error(times);
  const clock = clockOf(timeZone);
  const found: string[] = [];
  for (let at = Date.parse(after); found.length < count;) {
    const next = nextDue(times, clock, at);
    if (next === undefined) break;
    found.push(new Date(next).toISOString().replace(":00.000Z", "Z"));
    at = next;
  }
  return found;
}

describe("when a schedule is due", () => {
  it("follows the calendar", () => {
    expect(due("0 9 * * mon-fri", "UTC", "2026-01-02T09:00:00Z", 2)).toEqual([
      "2026-01-05T09:00Z",
      "2026-01-06T09:00Z",
    ]);
    expect(due("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2)).toEqual(["2028-02-29T00:00Z", "2032-02-29T00:00Z"]);
    expect(due("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1)).toEqual(["2104-02-29T00:00Z"]);
    expect(due("*/30 * * * * *", "UTC", "2026-01-01T23:59:15Z", 2)).toEqual([
      "2026-01-01T23:59:30.000Z",
      "2026-01-02T00:00Z",
    ]);
  });

  it("follows the clocks of its place through the year", () => {
    expect(due("30 8 1 1,7 *", "Europe/Berlin", "2026-01-01T00:00:00Z", 2)).toEqual([
      "2026-01-01T07:30Z",
      "2026-07-01T06:30Z",
    ]);
    expect(due("0 12 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", 1)).toEqual(["2026-01-01T06:15Z"]);
  });

  it("is due once where the clocks skip its time, and once where they have it twice", () => {
    // 29 March 2026, 02:00 becomes 03:00.
    expect(due("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3)).toEqual([
      "2026-03-28T01:30Z",
      "2026-03-29T01:30Z",
      "2026-03-30T00:30Z",
    ]);
    // 25 October 2026, 03:00 becomes 02:00.
    expect(due("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2)).toEqual([
      "2026-10-25T00:30Z",
      "2026-10-26T01:30Z",
    ]);
    // Asked between the two: the second one is none.
    expect(due("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1)).toEqual(["2026-10-26T01:30Z"]);
    // Half an hour, on Lord Howe.
    expect(due("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2)).toEqual([
      "2026-04-04T14:45Z",
      "2026-04-05T15:15Z",
    ]);
  });

  it("goes by the time that passes where every hour is meant", () => {
    const spring = due("*/20 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 6);
    expect(spring).toEqual(["00:40", "01:00", "01:20", "01:40", "02:00", "02:20"].map((time) => `2026-03-29T${time}Z`));
    const autumn = due("*/20 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", 6);
    expect(autumn).toEqual(["00:40", "01:00", "01:20", "01:40", "02:00", "02:20"].map((time) => `2026-10-25T${time}Z`));
  });

  it("is the same wherever one begins to look", () => {
    const all = due("15 1,2,3 * * *", "America/New_York", "2026-10-25T00:00:00Z", 40);
    for (
      let after = Date.parse("2026-10-31T00:00:00Z");
      after < Date.parse("2026-11-03T00:00:00Z");
      after += 37 * 60_000
    ) {
      const [next] = due("15 1,2,3 * * *", "America/New_York", new Date(after).toISOString(), 1);
      expect(next).toBe(all.find((at) => Date.parse(at) > after));
    }
  });
});
