/// <reference types="node" />
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { refuseOpenFile } from "@trellis/auth/node";

/** What `trellis up` leaves for the programs of a laptop in `.trellis/local.json`. */
export interface LocalPlatform {
  readonly url: string;
  /** The developer's own key, absolute. */
  readonly developerKeyFile: string;
  /** The `.trellis` folder it was found in, absolute. */
  readonly folder: string;
}

/** `.trellis/local.json` cannot be understood. */
export class LocalPlatformDamaged extends Error {
  override readonly name = "LocalPlatformDamaged";
}

/** Looks for `.trellis/local.json` from a folder upwards; a file others may write is refused. */
export function findLocalPlatform(from: string): LocalPlatform | undefined {
  for (let at = resolve(from); ; at = dirname(at)) {
    const folder = join(at, ".trellis");
    const file = join(folder, "local.json");
    if (existsSync(file)) return readLocalPlatform(folder, file);
    if (dirname(at) === at) return undefined;
  }
}

function readLocalPlatform(folder: string, file: string): LocalPlatform {
  // Whoever may write this file chooses the platform this program trusts.
  refuseOpenFile(file, "address of the local platform");
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    value = undefined;
  }
  if (!isLocalAddress(value)) {
    throw new LocalPlatformDamaged(
      `${file} is not what \`trellis up\` writes. Remove it and start the local platform again.`,
    );
  }
  return { url: value.url, developerKeyFile: resolve(folder, value.developerKeyFile), folder };
}

function isLocalAddress(value: unknown): value is { readonly url: string; readonly developerKeyFile: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "url" in value &&
    typeof value.url === "string" &&
    "developerKeyFile" in value &&
    typeof value.developerKeyFile === "string"
  );
}
