// The guides, done by a reader who types exactly what they say, with the packages a user will install.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { findNatsServer } from "@trellis/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generatedDocs } from "../scripts/generated-docs.ts";
import { type PackageRegistry, startPackageRegistry } from "./guide-runner/package-registry.ts";
import { runGuide } from "./guide-runner/run-guide.ts";

const root = join(import.meta.dirname, "..");
const RUN_AS_WRITTEN = ["five-minutes", "your-first-service", "testing", "deploy-strict", "looking-after-data"];
const PREPARE_MS = 300_000;
const GUIDE_MS = 300_000;

it("quotes code and tables as they are (npm run prepare:generated writes them)", async () => {
  for (const { path, text } of await generatedDocs(root))
    expect(readFileSync(join(root, path), "utf8"), path).toBe(text);
});

describe("a guide does what it says", () => {
  let scratch: string;
  let registry: PackageRegistry;
  let env: Record<string, string>;

  beforeAll(async () => {
    // Packages made before (TRELLIS_PACKAGES), or made now.
    const packages = process.env["TRELLIS_PACKAGES"] ?? pack();
    scratch = mkdtempSync(join(tmpdir(), "trellis-guides-"));
    const upstream = execFileSync("npm", ["config", "get", "registry"], { cwd: scratch, encoding: "utf8" }).trim();
    registry = await startPackageRegistry(packages, upstream);
    env = await readerEnvironment(registry.url);
  }, PREPARE_MS);
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    if (scratch) rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  it.each(RUN_AS_WRITTEN)(
    "%s",
    async (name) => {
      const folder = join(scratch, name, "reader");
      mkdirSync(folder, { recursive: true });
      await runGuide(join(import.meta.dirname, "guides", `${name}.md`), { folder, env });
    },
    GUIDE_MS,
  );
});

function pack(): string {
  const packed = spawnSync(process.execPath, [join(root, "scripts", "pack.ts")], { cwd: root, encoding: "utf8" });
  if (packed.status === 0) return join(root, ".cache", "packages");
  throw new Error(`The packages cannot be packed:\n${packed.stdout}${packed.stderr}`);
}

/** A machine with Node, npm and a nats-server, and nothing of this checkout. */
async function readerEnvironment(registryUrl: string): Promise<Record<string, string>> {
  const cache = join(root, ".cache", "npm-guides");
  // npx keeps what it installed by name; packages of an earlier build must not be found there.
  rmSync(join(cache, "_npx"), { recursive: true, force: true });
  const system = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes(join("node_modules", ".bin")));
  const ofCheckout = /^(npm_|TRELLIS_|VITEST|NODE_OPTIONS|NODE_ENV|TEST$|INIT_CWD)/;
  const machine = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || ofCheckout.test(name) ? [] : [[name, value] as const],
  );
  return {
    ...Object.fromEntries(machine),
    PATH: [dirname(process.execPath), ...system].join(delimiter),
    TRELLIS_NATS_SERVER: (await findNatsServer()).path,
    npm_config_registry: registryUrl,
    npm_config_cache: cache,
    // The reader says yes when npx asks whether it may install something.
    npm_config_yes: "true",
    npm_config_audit: "false",
    npm_config_fund: "false",
    npm_config_update_notifier: "false",
    NO_COLOR: "1",
  };
}
