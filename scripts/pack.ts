// Builds what would be published: each package compiled, its `exports` turned from source to dist, packed as a tarball
// under `.cache/packages`. `--check` also asks publint and attw whether strangers can use them.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { run, stagePackages } from "./stage-packages.ts";

const root = join(import.meta.dirname, "..");
const out = join(root, ".cache", "packages");
const check = process.argv.includes("--check");

const folderOf = ({ name }: { readonly name: string }): string => join("staged", name.slice(name.indexOf("/") + 1));

for (const { directory, manifest } of stagePackages(out, folderOf)) {
  run("npm", ["pack", "--silent", "--pack-destination", out], directory);
  if (check) {
    run("publint", ["--strict", directory], root);
    const tarball = join(out, `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`);
    run("attw", ["--profile", "esm-only", "--quiet", tarball], root);
  }
}
if (!check)
  process.stdout.write(
    `packed ${readdirSync(out).filter((name) => name.endsWith(".tgz")).length} packages into .cache/packages\n`,
  );
