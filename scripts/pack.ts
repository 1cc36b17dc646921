// Builds what would be published: each package compiled, its `exports` turned from source to dist, packed as a tarball
// under `.cache/packages`. `--check` also asks publint and attw whether strangers can use them.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMPILER } from "./compiler.ts";

const root = join(import.meta.dirname, "..");
const out = join(root, ".cache", "packages");
const check = process.argv.includes("--check");

interface PackageManifest {
  name: string;
  version: string;
  exports: Record<string, string>;
  bin?: Record<string, string>;
  publishConfig?: { access: string };
}

const [node = "node", ...compiler] = COMPILER;
run(node, [...compiler, "-b"], root);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

for (const folder of readdirSync(join(root, "packages"))) {
  const source = join(root, "packages", folder);
  const staged = join(out, "staged", folder);
  const manifest: PackageManifest = JSON.parse(readFileSync(join(source, "package.json"), "utf8"));
  mkdirSync(staged, { recursive: true });
  cpSync(join(source, "dist"), join(staged, "dist"), {
    recursive: true,
    filter: (path) => !path.endsWith(".tsbuildinfo") && !path.endsWith(".map"),
  });
  for (const extra of ["data", "templates"]) {
    if (existsSync(join(source, extra))) cpSync(join(source, extra), join(staged, extra), { recursive: true });
  }
  cpSync(join(root, "LICENSE"), join(staged, "LICENSE"));
  writeFileSync(join(staged, "package.json"), `${JSON.stringify(published(manifest), null, 2)}\n`);
  run("npm", ["pack", "--silent", "--pack-destination", out], staged);
  if (check) {
    run("publint", ["--strict", staged], root);
    const tarball = join(out, `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`);
    run("attw", ["--profile", "esm-only", "--quiet", tarball], root);
  }
}
if (!check)
  process.stdout.write(
    `packed ${readdirSync(out).filter((name) => name.endsWith(".tgz")).length} packages into .cache/packages\n`,
  );

/** What a user installs has JavaScript and declarations where the workspace has TypeScript. */
function published(manifest: PackageManifest): PackageManifest {
  const exports: Record<string, unknown> = {};
  for (const [subpath, source] of Object.entries(manifest.exports)) {
    const compiled = source.replace("./src/", "./dist/").replace(/\.ts$/, "");
    exports[subpath] = { types: `${compiled}.d.ts`, default: `${compiled}.js` };
  }
  const bin =
    manifest.bin &&
    Object.fromEntries(
      Object.entries(manifest.bin).map(([name, path]) => [
        name,
        path.replace("./src/", "dist/").replace(/\.ts$/, ".js"),
      ]),
    );
  return Object.assign({}, manifest, { exports, publishConfig: { access: "public" } }, bin ? { bin } : {});
}

function run(command: string, args: readonly string[], cwd: string): void {
  const done = spawnSync(command, args, { cwd, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  if (done.status === 0) return;
  process.stderr.write(
    `${command} ${args.join(" ")}\n${done.stdout ?? ""}${done.stderr ?? ""}${done.error?.message ?? ""}\n`,
  );
  process.exit(1);
}
