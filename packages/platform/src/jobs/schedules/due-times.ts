import { cronDay, type CronTimes, type WallTime } from "@trellis/contracts";

/** A place's clocks: what they show at a moment, and how far they are ahead of UTC. */
export interface Clock {
  /** Milliseconds the clocks are ahead of UTC at this moment. */
  offsetAt(ms: number): number;
}

const QUARTER_MS = 15 * 60_000;
const DAY_MS = 86_400_000;
const REMEMBERED = 10_000;
/** Longer than any clock is moved at once. */
const MARGIN_MS = 3 * 3_600_000;
/** The longest time between two leap days. */
const YEARS = 9;

/** The clocks of a time zone of the database. */
export function clockOf(timeZone: string): Clock {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  // Clocks are moved at a quarter of an hour at the finest.
  const known = new Map<number, number>();
  return {
    offsetAt(ms) {
      const quarter = Math.floor(ms / QUARTER_MS);
      const found = known.get(quarter);
      if (found !== undefined) return found;
      const at = quarter * QUARTER_MS;
      const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
      const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
      const offset = Date.UTC(year, month - 1, day, hour, minute, second) - at;
      if (known.size > REMEMBERED) known.clear();
      known.set(quarter, offset);
      return offset;
    },
  };
}

/**
 * The first time after a moment that a schedule is due.
 *
 * 1. A time of day the clocks skip is due at the moment they would have shown it, an hour later by the new time: nothing
 *    is left out.
 * 2. A time of day the clocks have twice is due the first time only.
 * 3. With `*` for the hour it is the time that passes that counts: nothing is due twice at once, and the hour that comes
 *    twice is gone through twice.
 */
export function nextDue(times: CronTimes, clock: Clock, afterMs: number): number | undefined {
  let best: number | undefined;
  const from = afterMs + clock.offsetAt(afterMs);
  for (const wall of wallTimes(times, from - MARGIN_MS)) {
    if (best !== undefined && wall > best + clock.offsetAt(best) + MARGIN_MS) break;
    // Nothing is moved around here: the first one is the next.
    if (best !== undefined && isCalm(clock, best)) break;
    if (wall <= from && isCalm(clock, afterMs)) continue;
    for (const moment of momentsOf(wall, clock, times.everyHour))
      if (moment > afterMs && (best === undefined || moment < best)) best = moment;
  }
  return best;
}

function isCalm(clock: Clock, ms: number): boolean {
  const offset = clock.offsetAt(ms);
  return clock.offsetAt(ms - 2 * MARGIN_MS) === offset && clock.offsetAt(ms + 2 * MARGIN_MS) === offset;
}

/** When the clocks show this; `wall` is that time as if it were UTC. */
function momentsOf(wall: number, clock: Clock, everyHour: boolean): readonly number[] {
  const before = clock.offsetAt(wall - DAY_MS);
  const after = clock.offsetAt(wall + DAY_MS);
  const shown = [...new Set([wall - before, wall - after])]
    .filter((moment) => moment + clock.offsetAt(moment) === wall)
    .sort((a, b) => a - b);
  const [first] = shown;
  if (everyHour) return shown;
  return [first ?? wall - before];
}

/** The matching times of a calendar without a place, from this one on. */
function* wallTimes(times: CronTimes, from: number): Generator<number> {
  const hours = sorted(times.hours);
  const minutes = sorted(times.minutes);
  const seconds = sorted(times.seconds);
  const firstDay = Math.floor(from / DAY_MS) * DAY_MS;
  for (let day = firstDay; day < firstDay + YEARS * 366 * DAY_MS; day += DAY_MS) {
    if (!cronDay(times, wallOf(day))) continue;
    for (const hour of hours) {
      if (day + (hour + 1) * 3_600_000 <= from) continue;
      for (const minute of minutes) {
        const at = day + hour * 3_600_000 + minute * 60_000;
        if (at + 60_000 <= from) continue;
        for (const second of seconds) if (at + second * 1_000 >= from) yield at + second * 1_000;
      }
    }
  }
}

function wallOf(day: number): WallTime {
  const date = new Date(day);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    hour: 0,
    minute: 0,
    second: 0,
  };
}

function sorted(values: ReadonlySet<number>): readonly number[] {
  return [...values].sort((a, b) => a - b);
}
