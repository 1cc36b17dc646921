/**
 * One setting: where it comes from, what it may be, what it is when nobody says, and why that default.
 * The reference page is printed from these, so a setting cannot exist undocumented.
 */
export interface Setting<T> {
  /** Name of the environment variable; it wins over the file. */
  readonly env: string;
  readonly describe: string;
  readonly reason: string;
  readonly default: T;
  /** What a person may write, for the message when they wrote something else. */
  readonly expects: string;
  /** `undefined` when the text is not a value of this setting. */
  readonly parse: (text: string) => T | undefined;
  /** Never shown, not even in a problem. */
  readonly secret?: true;
}

type Written<T> = Omit<Setting<T>, "parse" | "expects">;

export function text(setting: Written<string>): Setting<string> {
  return { ...setting, expects: "text", parse: (value) => value };
}

export function optionalText(setting: Omit<Written<string | undefined>, "default">): Setting<string | undefined> {
  return { ...setting, default: undefined, expects: "text", parse: (value) => value };
}

export function list(setting: Written<readonly string[]>): Setting<readonly string[]> {
  return {
    ...setting,
    expects: "a list separated by commas",
    parse: (value) =>
      value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== ""),
  };
}

export function port(setting: Written<number>): Setting<number> {
  return whole(setting, 0, 65_535, "a port from 0 (any free one) to 65535");
}

export function count(setting: Written<number>, least: number, most: number): Setting<number> {
  return whole(setting, least, most, `a whole number from ${least} to ${most}`);
}

export function flag(setting: Written<boolean>): Setting<boolean> {
  return {
    ...setting,
    expects: "true or false",
    parse: (value) => (value === "true" ? true : value === "false" ? false : undefined),
  };
}

export function choice<const T extends string>(setting: Written<T>, values: readonly T[]): Setting<T> {
  return { ...setting, expects: values.join(" or "), parse: (value) => values.find((each) => each === value) };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Durations are written as `30s`, `5m`, `1h`, `7d` and kept in milliseconds. */
export function duration(setting: Written<number>, leastMs: number, mostMs: number): Setting<number> {
  return {
    ...setting,
    expects: `a duration such as 500ms, 30s, 5m, 1h or 7d, from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}`,
    parse: (value) => {
      const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value) ?? [];
      const scale = unit === undefined ? undefined : UNITS[unit];
      if (amount === undefined || scale === undefined) return undefined;
      const ms = Number(amount) * scale;
      return ms >= leastMs && ms <= mostMs ? ms : undefined;
    },
  };
}

const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

/** Sizes are written as `512MiB` or `2GiB` and kept in bytes. */
export function bytes(setting: Written<number>, most = Number.POSITIVE_INFINITY): Setting<number> {
  return {
    ...setting,
    expects: `a size such as 512MiB or 2GiB${Number.isFinite(most) ? `, at most ${formatBytes(most)}` : ""}`,
    parse: (value) => {
      const [, amount, unit] = /^(\d+(?:\.\d+)?)\s?(B|KiB|MiB|GiB|TiB)$/.exec(value) ?? [];
      const scale = unit === undefined ? undefined : BYTES[unit];
      if (amount === undefined || scale === undefined) return undefined;
      const size = Number(amount) * scale;
      return size <= most ? size : undefined;
    },
  };
}

export function formatDuration(ms: number): string {
  const [unit = "ms", scale = 1] = Object.entries(UNITS).findLast(([, scale]) => ms >= scale && ms % scale === 0) ?? [];
  return `${ms / scale}${unit}`;
}

export function formatBytes(size: number): string {
  const [unit = "B", scale = 1] =
    Object.entries(BYTES).findLast(([, scale]) => size >= scale && size % scale === 0) ?? [];
  return `${size / scale}${unit}`;
}

function whole(setting: Written<number>, least: number, most: number, expects: string): Setting<number> {
  return {
    ...setting,
    expects,
    parse: (value) => {
      const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      return number >= least && number <= most ? number : undefined;
    },
  };
}
