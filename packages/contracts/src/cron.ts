/** A moment on the clocks and calendars of a place, without saying which place. */
export interface WallTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** When a schedule is due: which values of each part of a wall time match. */
export interface CronTimes {
  readonly seconds: ReadonlySet<number>;
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** `*` stands for the hour: it goes on through an hour that the clocks have twice. */
  readonly everyHour: boolean;
  /** With both a day and a weekday given, either is enough, as cron has always had it. */
  readonly eitherDay: boolean;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"] as const;
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

const FIELDS = [
  { name: "second", from: 0, to: 59, words: [] },
  { name: "minute", from: 0, to: 59, words: [] },
  { name: "hour", from: 0, to: 23, words: [] },
  { name: "day of the month", from: 1, to: 31, words: [] },
  { name: "month", from: 1, to: 12, words: MONTHS },
  // 7 is Sunday too.
  { name: "day of the week", from: 0, to: 7, words: WEEKDAYS },
] as const satisfies readonly Field[];

interface Field {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly words: readonly string[];
}

const NICKNAMES: { readonly [name: string]: string } = {
  "@yearly": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@hourly": "0 * * * *",
};

/** Reads `minute hour day month weekday`, with seconds in front where six fields are given; a text says what is wrong. */
export function parseCron(written: string): CronTimes | string {
  const fields = (NICKNAMES[written] ?? written).trim().split(/\s+/);
  if (fields.length === 5) fields.unshift("0");
  if (fields.length !== 6) return "it has neither five fields (minute hour day month weekday) nor six (seconds first)";
  const sets: Set<number>[] = [];
  for (const [at, field] of FIELDS.entries()) {
    const values = parseField(fields[at] ?? "", field);
    if (typeof values === "string") return values;
    sets.push(values);
  }
  const [seconds, minutes, hours, days, months, weekdays] = sets;
  if (!seconds || !minutes || !hours || !days || !months || !weekdays) return "it has too few fields";
  if (weekdays.delete(7)) weekdays.add(0);
  const [, , hour, day, , weekday] = fields;
  const times: CronTimes = {
    seconds,
    minutes,
    hours,
    days,
    months,
    weekdays,
    everyHour: hour === "*",
    eitherDay: !(day ?? "*").startsWith("*") && !(weekday ?? "*").startsWith("*"),
  };
  const possible = times.eitherDay || [...months].some((month) => Math.min(...days) <= (LONGEST[month - 1] ?? 31));
  return possible ? times : "no month it names has a day it names";
}

const LONGEST = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

function parseField(text: string, field: Field): Set<number> | string {
  const { name, from, to, words } = field;
  const values = new Set<number>();
  for (const part of text.toLowerCase().split(",")) {
    const match = /^(?:\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:\/(\d{1,2}))?$/.exec(part);
    const wrong = `${JSON.stringify(part)} is no ${name}: use ${from} to ${to}, *, lists, ranges and steps`;
    if (match === null) return wrong;
    const [, first, last, step] = match;
    const number = (word: string): number => {
      const at = words.indexOf(word);
      return at >= 0 ? at + from : /^\d+$/.test(word) ? Number(word) : Number.NaN;
    };
    const low = first === undefined ? from : number(first);
    const high = last !== undefined ? number(last) : first === undefined || step !== undefined ? to : low;
    const by = step === undefined ? 1 : Number(step);
    if (!(low >= from && high <= to && low <= high && by >= 1)) return wrong;
    for (let value = low; value <= high; value += by) values.add(value);
  }
  return values;
}

/** Whether a day matches; its hours are another question. */
export function cronDay(times: CronTimes, { month, day, weekday }: WallTime): boolean {
  if (!times.months.has(month)) return false;
  const byDay = times.days.has(day);
  const byWeekday = times.weekdays.has(weekday);
  return times.eitherDay ? byDay || byWeekday : byDay && byWeekday;
}

/** Whether a name is one of the time zone database: `Europe/Berlin`. */
export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
