import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMPILER } from "./compiler.ts";

const root = join(import.meta.dirname, "..");

/** The parts of a package.json that change when it is published. */
export interface PackageManifest {
  name: string;
  version: string;
  exports: Record<string, string>;
  bin?: Record<string, string>;
  publishConfig?: { access: string };
}

/** A package as it would be published, in a folder of its own. */
export interface StagedPackage {
  readonly directory: string;
  readonly manifest: PackageManifest;
}

/** Compiles every package and lays it out as it would be published, each at the place `place` names below `out`. */
export function stagePackages(out: string, place: (manifest: PackageManifest) => string): readonly StagedPackage[] {
  const [node = "node", ...compiler] = COMPILER;
  run(node, [...compiler, "-b"], root);
  rmSync(out, { recursive: true, force: true });
  return readdirSync(join(root, "packages")).map((folder) => {
    const source = join(root, "packages", folder);
    const manifest: PackageManifest = JSON.parse(readFileSync(join(source, "package.json"), "utf8"));
    const directory = join(out, place(manifest));
    mkdirSync(directory, { recursive: true });
    cpSync(join(source, "dist"), join(directory, "dist"), {
      recursive: true,
      filter: (path) => !path.endsWith(".tsbuildinfo") && !path.endsWith(".map"),
    });
    for (const extra of ["data", "templates"]) {
      if (existsSync(join(source, extra))) cpSync(join(source, extra), join(directory, extra), { recursive: true });
    }
    cpSync(join(root, "LICENSE"), join(directory, "LICENSE"));
    writeFileSync(join(directory, "package.json"), `${JSON.stringify(published(manifest), null, 2)}\n`);
    return { directory, manifest };
  });
}

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

/** Ends this process with what a command said, when it fails. */
export function run(command: string, args: readonly string[], cwd: string): void {
  const done = spawnSync(command, args, { cwd, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  if (done.status === 0) return;
  process.stderr.write(
    `${command} ${args.join(" ")}\n${done.stdout ?? ""}${done.stderr ?? ""}${done.error?.message ?? ""}\n`,
  );
  process.exit(1);
}
