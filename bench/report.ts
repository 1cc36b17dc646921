/** What every benchmark returns: rows for people, ratios for programs. */
export interface BenchResult {
  readonly bench: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly ratios: { readonly [name: string]: number };
  readonly facts?: { readonly [name: string]: number | string };
  /** Lines that failed: the bench asserts what the project promises. */
  readonly missed: readonly string[];
}

export function printReport(result: BenchResult, json: boolean): void {
  if (json) {
    const { bench, ratios, facts, missed } = result;
    process.stdout.write(`${JSON.stringify({ bench, ratios, ...facts, missed })}\n`);
    return;
  }
  const widths = result.columns.map((title, column) =>
    Math.max(title.length, ...result.rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  process.stdout.write(`${line(result.columns)}\n`);
  for (const row of result.rows) process.stdout.write(`${line(row)}\n`);
  for (const miss of result.missed) process.stdout.write(`MISSED ${miss}\n`);
}
