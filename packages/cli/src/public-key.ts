import { InvalidArgumentError } from "commander";

const PUBLIC_KEY = /^[A-Za-z0-9_-]{43}$/;

/** Reads the public half of a key, as `trellis keys` prints it. */
export function publicKey(written: string): string {
  if (PUBLIC_KEY.test(written)) return written;
  throw new InvalidArgumentError(
    "A public key is 43 letters, digits, - or _; trellis keys show <file> prints the one of a file.",
  );
}
