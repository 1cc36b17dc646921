import type { Terminal } from "../terminal.ts";

/** An entry as reading or watching gives it. */
export interface ShownEntry {
  readonly key?: string;
  readonly value?: unknown;
  readonly revision: number;
  readonly at: Date;
  readonly migrationRequired?: { readonly stateVersion: string; readonly value: unknown } | undefined;
}

/** An entry as programs get it. */
export function entryJson({ key, value, revision, at, migrationRequired }: ShownEntry) {
  return {
    ...(key === undefined ? {} : { key }),
    ...(migrationRequired === undefined ? { value } : { migrationRequired }),
    revision,
    at: at.toISOString(),
  };
}

/** One entry on one line. */
export function entryLine(terminal: Terminal, { key, value, revision, at, migrationRequired }: ShownEntry): string {
  const { colors } = terminal;
  const what =
    migrationRequired === undefined
      ? JSON.stringify(value)
      : `${JSON.stringify(migrationRequired.value)} ${colors.yellow(`(as version ${migrationRequired.stateVersion})`)}`;
  const where = colors.dim(`${at.toISOString()} #${revision}`);
  return [where, ...(key === undefined ? [] : [colors.cyan(key)]), what].join(" ");
}
