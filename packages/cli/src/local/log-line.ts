import { memberOf } from "../platform-client/ask-http.ts";

/** One line of any log of a local platform. */
export interface LogLine {
  readonly at: number;
  readonly source: string;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
}

/** Reads a line of the control plane (JSON) or of nats-server; `undefined` for an empty one. */
export function parseLogLine(source: string, line: string, before: number): LogLine | undefined {
  if (line.trim() === "") return undefined;
  return fromControlPlane(source, line) ?? fromNats(source, line) ?? { at: before, source, level: "info", text: line };
}

const PINO_LEVELS = { 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "error" } as const;

function fromControlPlane(source: string, line: string): LogLine | undefined {
  if (!line.startsWith("{")) return undefined;
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof entry !== "object" || entry === null) return undefined;
  const at = Date.parse(String(memberOf(entry, "time")));
  const level = Object.entries(PINO_LEVELS).find(([number]) => number === String(memberOf(entry, "level")))?.[1];
  const details = Object.entries(entry)
    .filter(([name]) => !["time", "level", "msg", "service"].includes(name))
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const text = [String(memberOf(entry, "msg") ?? ""), ...details].join("  ");
  return { at: Number.isNaN(at) ? 0 : at, source, level: level ?? "info", text };
}

const NATS_LINE = /^\[\d+\] (\d{4})\/(\d\d)\/(\d\d) ([\d:.]+) \[(\w{3})\] (.*)$/;
const NATS_LEVELS: { readonly [word: string]: LogLine["level"] } = {
  DBG: "debug",
  TRC: "debug",
  WRN: "warn",
  ERR: "error",
  FTL: "error",
};

function fromNats(source: string, line: string): LogLine | undefined {
  const [, year, month, day, time = "", level = "", text = ""] = NATS_LINE.exec(line) ?? [];
  if (year === undefined) return undefined;
  // nats-server writes local time, in microseconds.
  const at = Date.parse(`${year}-${month}-${day}T${time.slice(0, 12)}`);
  return { at: Number.isNaN(at) ? 0 : at, source, level: NATS_LEVELS[level] ?? "info", text };
}
