/// <reference types="node" />
import { join } from "node:path";
import type { SessionKey } from "@trellis/auth";
import { loadOrCreateSeedFile, nodeSessionKey, readSeedFile } from "@trellis/auth/node";
import { findLocalPlatform, requireHttpAddress } from "@trellis/client/node";
import type { LocalPlatform } from "@trellis/client/node";
import { ServiceSetupError } from "../registrars.ts";

/** Where a service looks for its platform and its key; the environment says what is left out. */
export interface ServiceAccessOptions {
  /** Default: `TRELLIS_URL`, then the local platform of this folder or one above it. */
  readonly url?: string;
  readonly key?: SessionKey;
  /** A file with the seed of the service's key, mode 0600. Default: `TRELLIS_SEED_FILE`. */
  readonly seedFile?: string;
  readonly cwd?: string;
  readonly env?: { readonly [name: string]: string | undefined };
}

export interface ServiceAccess {
  readonly url: string;
  readonly key: SessionKey;
  /** Set when the platform is the developer's own, where a service may register itself. */
  readonly local?: LocalPlatform;
  /** The key was made just now, so nobody can know it yet. */
  readonly fresh: boolean;
}

/** Decides where to go and as whom; what is missing is said with the command that mends it. */
export function findServiceKey(
  name: string,
  options: ServiceAccessOptions,
  tell: (message: string) => void,
): ServiceAccess {
  const env = options.env ?? process.env;
  const givenUrl = options.url ?? filled(env["TRELLIS_URL"]);
  const found = findLocalPlatform(options.cwd ?? process.cwd());
  const local = found !== undefined && (givenUrl === undefined || sameAddress(givenUrl, found.url)) ? found : undefined;
  const url = givenUrl ?? local?.url;
  if (url === undefined) {
    throw new ServiceSetupError(
      "no_platform",
      `There is no platform for ${name} to connect to. Start a local one with \`trellis up\` in this folder or one above it, or set TRELLIS_URL to the address of a platform.`,
    );
  }
  requireHttpAddress(url);
  if (options.key !== undefined) return { url, key: options.key, fresh: false };
  const seedFile = options.seedFile ?? filled(env["TRELLIS_SEED_FILE"]);
  if (seedFile !== undefined) return { url, key: nodeSessionKey(readSeedFile(seedFile)), fresh: false };
  if (local === undefined) {
    throw new ServiceSetupError(
      "not_provisioned",
      `${name} has no key for the platform at ${url}. Run \`trellis svc provision ${name}\`, which registers one and says where its file is, and set TRELLIS_SEED_FILE to that file.`,
    );
  }
  const file = join(local.folder, "keys", `${name}.seed`);
  const { seed, created } = loadOrCreateSeedFile(file);
  if (created) tell(`Made a key for ${name} in ${file}.`);
  return { url, key: nodeSessionKey(seed), local, fresh: created };
}

/** An empty variable is an unset one. */
function filled(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}

function sameAddress(one: string, other: string): boolean {
  return URL.canParse(one) && URL.canParse(other) && new URL(one).href === new URL(other).href;
}
