import { readdirSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

const PACKAGES = ["@trellis/contracts", "@trellis/result", "@trellis/server"];
const DEV_PACKAGES = ["@trellis/testing", "trellis"];
/** What our packages are built and tried with. */
const TYPEBOX = "1.4.3";
const TYPESCRIPT = "6.0.3";
const NODE_TYPES = "24.19.2";

/** The package of a new service. With `link`, every package of ours comes from a tarball there. */
export function packageJson(name: string, version: string, link: string | undefined): string {
  const versions = link === undefined ? undefined : tarballs(link);
  const own = (names: readonly string[]) =>
    Object.fromEntries(names.map((each) => [each, versions?.[each] ?? version]));
  const manifest = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    scripts: { start: "node main.ts", dev: "trellis dev", test: "node --test", check: "tsc" },
    dependencies: { ...own(PACKAGES), typebox: TYPEBOX },
    devDependencies: { ...own(DEV_PACKAGES), "@types/node": NODE_TYPES, typescript: TYPESCRIPT },
    // Packages of ours that ours need must come from there too.
    ...(versions === undefined ? {} : { overrides: versions }),
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Tarballs by package name: `trellis-contracts-0.1.0.tgz` is `@trellis/contracts`. */
function tarballs(folder: string): Readonly<Record<string, string>> {
  const found = readdirSync(folder).flatMap((file) => {
    const [, name] = /^(trellis(?:-[a-z]+)*)-\d+\.\d+\.\d+.*\.tgz$/.exec(file) ?? [];
    if (name === undefined) return [];
    return [[name.replace(/^trellis-/, "@trellis/"), `file:${join(folder, file)}`] as const];
  });
  const versions = Object.fromEntries(found);
  const missing = [...PACKAGES, ...DEV_PACKAGES].filter((name) => versions[name] === undefined);
  if (missing.length === 0) return versions;
  throw new CliFailure({
    code: "tarballs_missing",
    what: `${folder} has no tarball of ${missing.join(", ")}`,
    next: ["npm run pack makes them in .cache/packages"],
    exitCode: EXIT.notFound,
  });
}
