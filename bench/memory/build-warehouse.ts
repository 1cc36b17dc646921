import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMPILER } from "../../scripts/compiler.ts";
import { run, stagePackages } from "../../scripts/stage-packages.ts";

const root = join(import.meta.dirname, "..", "..");

/** The same service in two forms. */
export interface Warehouse {
  /** As `npm install` leaves it: about a thousand modules. */
  readonly installed: string;
  /** With everything it needs in one file. */
  readonly bundled: string;
  /** A program that answers and does nothing else. */
  readonly nothing: string;
}

/** Plain JavaScript, beside packages as they are published. What these need is found further up, in the workspace. */
export function buildWarehouse(): Warehouse {
  const folder = join(root, ".cache", "memory");
  stagePackages(folder, ({ name }) => join("node_modules", name));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  const [node = "node", ...compiler] = COMPILER;
  const options = "--noCheck --module nodenext --target es2024 --rewriteRelativeImportExtensions --types node".split(
    " ",
  );
  const sources = ["warehouse-process", "nothing-process"].map((name) => join(import.meta.dirname, `${name}.ts`));
  run(node, [...compiler, "--ignoreConfig", ...options, "--outDir", folder, ...sources], root);
  const installed = join(folder, "warehouse-process.js");
  const bundled = join(folder, "bundle.mjs");
  // Vitest brings it.
  run(
    join(root, "node_modules", ".bin", "rolldown"),
    [installed, "--format", "esm", "--platform", "node", "-o", bundled],
    folder,
  );
  return { installed, bundled, nothing: join(folder, "nothing-process.js") };
}
