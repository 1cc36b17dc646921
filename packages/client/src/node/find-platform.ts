/// <reference types="node" />
import type { SessionKey } from "@trellis/auth";
import { createNodeSessionKey, nodeSessionKey, readSeedFile } from "@trellis/auth/node";
import { findLocalPlatform } from "./local-platform.ts";

/** Where the platform is and as whom to go there. */
export interface PlatformAccess {
  readonly url: string;
  readonly key: SessionKey;
  /** Vouches for `key`, when that lives for this run only. */
  readonly enrol?: SessionKey;
}

export interface AccessOptions {
  readonly url?: string;
  /** A registered key of this participant. */
  readonly key?: SessionKey;
  /** A file with the seed of that key. */
  readonly seedFile?: string;
  /** A file with the seed of a person's key: the session gets a key of its own that lives for this run. */
  readonly userKeyFile?: string;
  readonly cwd?: string;
  readonly env?: { readonly [name: string]: string | undefined };
}

/** There is no platform to go to, or no key to go with; the message says what to do. */
export class NoPlatform extends Error {
  override readonly name = "NoPlatform";
  readonly code: "no_platform" | "no_key" | "bad_address";

  constructor(code: NoPlatform["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** Options first, then the environment, then the local platform of this folder or one above it. */
export function findPlatform(options: AccessOptions): PlatformAccess {
  const env = options.env ?? process.env;
  const givenUrl = options.url ?? filled(env["TRELLIS_URL"]);
  const local = findLocalPlatform(options.cwd ?? process.cwd());
  const url = givenUrl ?? local?.url;
  if (url === undefined) {
    throw new NoPlatform(
      "no_platform",
      "There is no platform to connect to. Start a local one with `trellis up` in this folder or one above it, or set TRELLIS_URL to the address of a platform.",
    );
  }
  requireHttpAddress(url);
  if (options.key !== undefined) return { url, key: options.key };
  const seedFile = options.seedFile ?? filled(env["TRELLIS_SEED_FILE"]);
  if (seedFile !== undefined) return { url, key: nodeSessionKey(readSeedFile(seedFile)) };
  const userKeyFile =
    options.userKeyFile ??
    filled(env["TRELLIS_USER_KEY_FILE"]) ??
    (local !== undefined && sameAddress(local.url, url) ? local.developerKeyFile : undefined);
  if (userKeyFile !== undefined) {
    return { url, key: createNodeSessionKey(), enrol: nodeSessionKey(readSeedFile(userKeyFile)) };
  }
  throw new NoPlatform(
    "no_key",
    `There is no key to connect to ${url} with. Set TRELLIS_USER_KEY_FILE to the key file of a registered user, or TRELLIS_SEED_FILE to a registered key of this program (\`trellis keys\` makes and shows them).`,
  );
}

/** No amount of waiting makes an address of something else (NATS, a bare name) the platform's. */
export function requireHttpAddress(url: string): void {
  if (URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol)) return;
  throw new NoPlatform(
    "bad_address",
    `${JSON.stringify(url)} is not the address of a platform. Set TRELLIS_URL to the http:// or https:// address of its control plane, for example http://localhost:3000; that says where NATS is.`,
  );
}

/** An empty variable is an unset one. */
function filled(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}

function sameAddress(one: string, other: string): boolean {
  return URL.canParse(one) && URL.canParse(other) && new URL(one).href === new URL(other).href;
}
