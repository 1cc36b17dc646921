import { readFileSync } from "node:fs";

/** The version of this package, as its own manifest says. */
export const TRELLIS_VERSION = readVersion();

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const version =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : undefined;
  if (typeof version !== "string") throw new Error("package.json of @trellis/platform has no version.");
  return version;
}
