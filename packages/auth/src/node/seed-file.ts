/// <reference types="node" />
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { decodeBase64url, encodeBase64url } from "@trellis/contracts";
import { newSeed, SEED_BYTES } from "../session-key.ts";

/** A seed file that cannot be trusted or read; the message says how to mend it. */
export class SeedFileError extends Error {
  override readonly name = "SeedFileError";
  readonly code: "missing" | "too_open" | "malformed" | "exists" | "unreadable";

  constructor(code: SeedFileError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** Reads a seed (one line of base64url). A file that others may read or write is refused. */
export function readSeedFile(path: string): Uint8Array {
  refuseOpenFile(path, "key");
  const seed = decodeBase64url(readFileSync(path, "utf8").trim());
  if (seed?.length !== SEED_BYTES) {
    throw new SeedFileError(
      "malformed",
      `${path} holds no key: it must be one line of base64url with ${SEED_BYTES} bytes. Restore it, or remove it and make a new key.`,
    );
  }
  return seed;
}

/** Writes a seed to a new file that only its owner may read; an existing file is never replaced. */
export function writeSeedFile(path: string, seed: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (error) {
    if (errorCode(error) === "EEXIST") {
      throw new SeedFileError("exists", `${path} exists already. Remove it first if its key is really to be given up.`);
    }
    throw new SeedFileError("unreadable", `${path} cannot be written (${errorCode(error)}).`);
  }
  try {
    writeSync(file, `${encodeBase64url(seed)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  // A umask can only take rights away, but a default ACL can add some.
  chmodSync(path, 0o600);
}

/** The seed of the file, which is made first when it does not exist. */
export function loadOrCreateSeedFile(path: string): { readonly seed: Uint8Array; readonly created: boolean } {
  try {
    return { seed: readSeedFile(path), created: false };
  } catch (error) {
    if (!(error instanceof SeedFileError) || error.code !== "missing") throw error;
  }
  try {
    const seed = newSeed();
    writeSeedFile(path, seed);
    return { seed, created: true };
  } catch (error) {
    // Another process of the same start was faster; its key is as good.
    if (error instanceof SeedFileError && error.code === "exists") return { seed: readSeedFile(path), created: false };
    throw error;
  }
}

/** Throws unless the file exists and nobody but its owner may read or write it (where the system knows modes). */
export function refuseOpenFile(path: string, what: string): void {
  let mode: number;
  try {
    mode = statSync(path).mode;
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") throw new SeedFileError("missing", `There is no ${what} at ${path}.`);
    throw new SeedFileError("unreadable", `The ${what} at ${path} cannot be read (${code}).`);
  }
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, "0");
    throw new SeedFileError(
      "too_open",
      `Others than its owner may use the ${what} at ${path} (mode ${octal}). Run: chmod 600 ${path}`,
    );
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
