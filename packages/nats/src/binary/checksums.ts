import pinned from "./nats-server-2.14.5.json" with { type: "json" };
import { PINNED_VERSION } from "./release.ts";

/** SHA-256 sums of release archives. Those kept here do not trust the place the archive comes from; the release's own do. */

export type Checksums = { readonly [target: string]: string };

export function pinnedChecksums(version: string): Checksums {
  return version === PINNED_VERSION && pinned.version === version ? pinned.sha256 : {};
}

/** The sum of one file in the text of a `SHA256SUMS`. */
export function findChecksum(sums: string, file: string): string | undefined {
  for (const line of sums.split("\n")) {
    const [sum, name] = line.trim().split(/\s+\*?/);
    if (name === file && sum !== undefined && /^[0-9a-f]{64}$/i.test(sum)) return sum.toLowerCase();
  }
  return undefined;
}
