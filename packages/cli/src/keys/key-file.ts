import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { newSeed } from "@trellis/auth";
import { nodeSessionKey, readSeedFile, SeedFileError, writeSeedFile } from "@trellis/auth/node";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

/** A key that was made but is not on disk yet. */
export interface NewKeyFile {
  readonly file: string;
  readonly seed: Uint8Array;
  readonly publicKey: string;
}

/** Makes a key for a file that must not exist: no key is ever overwritten. */
export function newKeyFile(path: string, cwd: string): NewKeyFile {
  const file = resolve(cwd, path);
  if (existsSync(file)) {
    throw new CliFailure({
      code: "file_exists",
      what: `${path} exists already and is not overwritten`,
      next: [`choose another file, or show its public key: trellis keys show ${path}`],
    });
  }
  const seed = newSeed();
  return { file, seed, publicKey: nodeSessionKey(seed).publicKey };
}

/** Writes the private half, for its owner's eyes only. */
export function saveKeyFile({ file, seed }: NewKeyFile): void {
  orFailure(file, () => writeSeedFile(file, seed));
}

export function publicKeyOf(path: string, cwd: string): string {
  return orFailure(path, () => nodeSessionKey(readSeedFile(resolve(cwd, path))).publicKey);
}

function orFailure<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SeedFileError)) throw error;
    throw new CliFailure({
      code: `key_${error.code}`,
      what: error.message,
      next: [error.code === "too_open" ? `chmod 600 ${path}` : "trellis keys new <file> makes a new one"],
      exitCode: error.code === "missing" ? EXIT.notFound : EXIT.no,
    });
  }
}
