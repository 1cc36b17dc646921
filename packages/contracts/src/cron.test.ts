import { describe, expect, it } from "vitest";
import { cronDay, isTimeZone, parseCron } from "./cron.ts";

const listed = (written: string, part: "seconds" | "minutes" | "hours" | "days" | "months" | "weekdays") => {
  const times = parseCron(written);
  return typeof times === "string" ? times : [...times[part]].sort((a, b) => a - b);
};

describe("cron notation", () => {
  it("has five fields, or six with seconds first", () => {
    expect(listed("5 4 * * *", "minutes")).toEqual([5]);
    expect(listed("5 4 * * *", "seconds")).toEqual([0]);
    expect(listed("*/20 5 4 * * *", "seconds")).toEqual([0, 20, 40]);
    expect(listed("5 4 * *", "minutes")).toMatch(/five fields/);
  });

  it("knows lists, ranges, steps and names", () => {
    expect(listed("0-10/5,30 * * * *", "minutes")).toEqual([0, 5, 10, 30]);
    expect(listed("50/5 * * * *", "minutes")).toEqual([50, 55]);
    expect(listed("0 0 * jan,MAR-may *", "months")).toEqual([1, 3, 4, 5]);
    expect(listed("0 0 * * mon-fri", "weekdays")).toEqual([1, 2, 3, 4, 5]);
    // Sunday has two numbers.
    expect(listed("0 0 * * 5-7", "weekdays")).toEqual([0, 5, 6]);
    expect(listed("@daily", "hours")).toEqual([0]);
  });

  it.each([
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 8",
    "a * * * *",
    "5-1 * * * *",
    "*/0 * * * *",
    "0 0 31 feb *",
    "",
    "1,,2 * * * *",
  ])("refuses %j and says why", (written) => expect(parseCron(written)).toMatch(/./));

  it("takes a day of the month or of the week where both are given", () => {
    const times = parseCron("0 0 13 * fri");
    if (typeof times === "string") throw new Error(times);
    const day = { year: 2026, month: 3, hour: 0, minute: 0, second: 0 };
    expect(cronDay(times, { ...day, day: 13, weekday: 1 })).toBe(true);
    expect(cronDay(times, { ...day, day: 12, weekday: 5 })).toBe(true);
    expect(cronDay(times, { ...day, day: 12, weekday: 4 })).toBe(false);
  });

  it("knows the time zones there are", () => {
    expect(isTimeZone("Europe/Berlin")).toBe(true);
    expect(isTimeZone("Europe/Atlantis")).toBe(false);
  });
});
