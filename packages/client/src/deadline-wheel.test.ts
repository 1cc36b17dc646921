import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DeadlineWheel, WheelEntry } from "./deadline-wheel.ts";

class Recorded extends WheelEntry {
  readonly #log: string[];
  readonly #name: string;
  constructor(name: string, log: string[]) {
    super();
    this.#name = name;
    this.#log = log;
  }
  override expire(): void {
    this.#log.push(this.#name);
  }
}

let now = 0;
let log: string[] = [];
let wheel: DeadlineWheel;

/** Ticks every 20 ms, as the timer would. */
function run(untilMs: number): void {
  while (now < untilMs) {
    now += 20;
    wheel.tick();
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  now = 1_000;
  log = [];
  wheel = new DeadlineWheel(() => now);
});
afterEach(() => {
  wheel.stop();
  vi.useRealTimers();
});

describe("deadline wheel", () => {
  test("nothing expires early, everything within two ticks", () => {
    const at = new Map<string, number>();
    for (const ms of [1, 19, 20, 21, 500, 5_000, 10_239, 10_240, 30_000, 300_000]) {
      class Timed extends WheelEntry {
        override expire(): void {
          at.set(String(ms), now - 1_000);
        }
      }
      wheel.add(new Timed(), ms);
    }
    run(302_000);
    for (const [ms, expired] of at) {
      expect(expired).toBeGreaterThanOrEqual(Number(ms));
      expect(expired).toBeLessThanOrEqual(Number(ms) + 40);
    }
    expect(at.size).toBe(10);
    expect(wheel.size).toBe(0);
  });

  test("a removed entry never expires, wherever in its slot it stands", () => {
    const entries = ["a", "b", "c", "d"].map((name) => new Recorded(name, log));
    for (const entry of entries) wheel.add(entry, 100);
    for (const index of [1, 3]) {
      const entry = entries[index];
      if (entry !== undefined) wheel.remove(entry);
      if (entry !== undefined) wheel.remove(entry);
    }
    run(1_300);
    expect(log.toSorted()).toEqual(["a", "c"]);
  });

  test("entries added while others expire live their own time", () => {
    const late = new Recorded("late", log);
    class Adds extends WheelEntry {
      override expire(): void {
        wheel.add(late, 10_240);
      }
    }
    wheel.add(new Adds(), 100);
    run(5_000);
    expect(log).toEqual([]);
    run(12_000);
    expect(log).toEqual(["late"]);
  });

  test("after a stall, what waits in the socket is read before anything is called late", () => {
    wheel.add(new Recorded("a", log), 100);
    now += 60_000;
    wheel.tick();
    expect(log).toEqual([]);
    now += 20;
    wheel.tick();
    expect(log).toEqual(["a"]);
  });

  test("an empty wheel lets the process end", () => {
    const entry = new Recorded("a", log);
    wheel.add(entry, 100);
    wheel.remove(entry);
    expect(vi.getTimerCount()).toBe(1);
    run(now + 2_000);
    expect(vi.getTimerCount()).toBe(0);
    wheel.add(entry, 100);
    expect(vi.getTimerCount()).toBe(1);
  });
});
