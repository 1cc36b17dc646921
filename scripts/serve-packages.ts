// npm run packages: what the guides install, from this checkout. Packs every package and serves them to npm until Ctrl-C,
// for as long as they are not published.
import { execFileSync } from "node:child_process";
import { realpathSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { startPackageRegistry } from "../docs/guide-runner/package-registry.ts";
import { run } from "./stage-packages.ts";

const root = join(import.meta.dirname, "..");
/** Where people expect a registry of their own machine; the commands they are shown stay good after a restart. */
const USUAL_PORT = 4873;

say("Packing the packages of this checkout…");
run(process.execPath, [join(root, "scripts", "pack.ts")], root);
// A cache of its own: npx keeps what it installed by name, and nothing of this belongs among the packages of other projects.
const cache = join(root, ".cache", "npm-guides");
rmSync(join(cache, "_npx"), { recursive: true, force: true });

const packages = join(root, ".cache", "packages");
const upstream = execFileSync("npm", ["config", "get", "registry"], { cwd: root, encoding: "utf8" }).trim();
await using registry = await startPackageRegistry(packages, upstream, USUAL_PORT).catch(() =>
  startPackageRegistry(packages, upstream),
);

say(`They are at ${registry.url} until Ctrl-C. In every terminal in which you follow a guide, first:\n`);
say(`  export npm_config_registry=${registry.url} npm_config_cache='${cache}'`);
say(`  export PATH='${dirname(realpathSync(process.execPath))}':"$PATH"   # Node ${process.versions.node}`);
say("\nThen begin with docs/guides/five-minutes.md, in an empty folder outside this checkout.");
await untilAskedToStop();

function untilAskedToStop(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
