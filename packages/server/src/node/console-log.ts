/// <reference types="node" />
import type { Log, LogFields } from "../log.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;
type Level = (typeof LEVELS)[number];

/**
 * Writes to standard error: one JSON object a line for machines, one short line for a person at a terminal.
 * `TRELLIS_LOG` sets the lowest level that is written (default `info`).
 */
export function consoleLog(fields: LogFields = {}): Log {
  const lowest = LEVELS.findIndex((level) => level === (process.env["TRELLIS_LOG"] ?? "info"));
  const write = (level: Level, message: string, more: LogFields = {}): void => {
    if (LEVELS.indexOf(level) < lowest) return;
    const all = { ...fields, ...more };
    process.stderr.write(process.stderr.isTTY ? forPeople(level, message, all) : forMachines(level, message, all));
  };
  return {
    debug: (message, more) => write("debug", message, more),
    info: (message, more) => write("info", message, more),
    warn: (message, more) => write("warn", message, more),
    error: (message, more) => write("error", message, more),
    child: (more) => consoleLog({ ...fields, ...more }),
  };
}

function forMachines(level: Level, message: string, fields: LogFields): string {
  return `${JSON.stringify({ at: new Date().toISOString(), level, message, ...readable(fields) })}\n`;
}

function forPeople(level: Level, message: string, fields: LogFields): string {
  const rest = Object.entries(readable(fields)).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const label = level === "info" ? "" : `${level}: `;
  return `${label}${message}${rest.length === 0 ? "" : `  ${rest.join(" ")}`}\n`;
}

/** Errors become their stack, causes included: a log is the one place where stacks belong. */
function readable(fields: LogFields): { readonly [name: string]: unknown } {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, value instanceof Error ? stackOf(value) : value]),
  );
}

function stackOf(error: Error): string {
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}
