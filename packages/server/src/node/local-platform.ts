/// <reference types="node" />
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { ServiceSetupError } from "../registrars.ts";

/** What `trellis up` leaves behind for the services of a laptop. */
export interface LocalPlatform {
  readonly url: string;
  /** The developer's own key, absolute. */
  readonly developerKeyFile: string;
  /** The `.trellis` folder it was found in, absolute. */
  readonly folder: string;
}

const FOLDER = ".trellis";
const FILE = "local.json";

/** Looks for `.trellis/local.json` from a folder upwards. */
export async function findLocalPlatform(from: string): Promise<LocalPlatform | undefined> {
  for (let at = resolve(from); ; at = dirname(at)) {
    const found = await read(join(at, FOLDER));
    if (found !== undefined) return found;
    if (dirname(at) === at) return undefined;
  }
}

async function read(folder: string): Promise<LocalPlatform | undefined> {
  const file = join(folder, FILE);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch {
    return undefined;
  }
  const { mode } = await stat(file);
  // Whoever may write this file chooses the platform a service trusts with its calls.
  if (process.platform !== "win32" && (mode & 0o022) !== 0) {
    throw new ServiceSetupError("no_platform", `${file} can be changed by other users, so it is not trusted. Run: chmod 600 ${file}`);
  }
  const value = parse(text);
  if (value === undefined) {
    throw new ServiceSetupError("no_platform", `${file} is not what \`trellis up\` writes. Remove it and start the local platform again.`);
  }
  return { url: value.url, developerKeyFile: resolve(folder, value.developerKeyFile), folder };
}

function parse(text: string): { readonly url: string; readonly developerKeyFile: string } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("url" in value) || !("developerKeyFile" in value)) return undefined;
  const { url, developerKeyFile } = value;
  return typeof url === "string" && typeof developerKeyFile === "string" ? { url, developerKeyFile } : undefined;
}
