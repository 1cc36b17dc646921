import { readFileSync } from "node:fs";

/** The text of a file a setting names; nothing when it names none. A named file that cannot be read stops the start. */
export function readFileIfNamed(path: string | undefined): string | undefined {
  return path === undefined ? undefined : readFileSync(path, "utf8");
}
