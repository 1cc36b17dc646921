/** Bytes as people read them. */
export function byteText(bytes: number): string {
  for (const [unit, size] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ] as const) {
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}

/** How long ago something was, in its largest unit. */
export function ageText(time: string, now: number = Date.now()): string {
  const ms = Math.max(0, now - Date.parse(time));
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
  ] as const) {
    if (ms >= size) return `${Math.floor(ms / size)} ${unit}`;
  }
  return `${Math.floor(ms / 1_000)} s`;
}

/** A time as all lists show it: NATS tells nanoseconds. */
export function timeText(time: string): string {
  return new Date(time).toISOString();
}

const BRIEF_LENGTH = 200;

/** Why something failed, on one line. Long enough for the id that a message ends with: it is what people search logs for. */
export function briefly(text: string): string {
  const [line = "", ...more] = text.split("\n");
  if (line.length > BRIEF_LENGTH) return `${line.slice(0, BRIEF_LENGTH)}…`;
  return more.length > 0 ? `${line} …` : line;
}
