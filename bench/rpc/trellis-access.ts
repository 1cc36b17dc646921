/** The deployment that answers in the arena. */
export const SERVICE_NAME = "bench";

/** Environment variables that tell each side of the Trellis contender which key is its own. */
export const KEY_FILES = { service: "BENCH_SERVICE_KEY_FILE", user: "BENCH_USER_KEY_FILE" } as const;

export function keyFile(side: keyof typeof KEY_FILES): string {
  const path = process.env[KEY_FILES[side]];
  if (path === undefined) throw new Error(`${KEY_FILES[side]} is not set`);
  return path;
}
