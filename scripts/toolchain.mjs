// Runs one of our TypeScript programs under the pinned Node, after setting up whatever is missing.
// This file alone must run on whatever Node a machine happens to have (20 is enough), so it uses no package of ours.
//   node scripts/toolchain.mjs scripts/start.ts [arguments…]
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const carriedNode = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
const pinned = manifest.optionalDependencies[carriedNode];
const bin = join(root, "node_modules", ".bin");
const executable = process.platform === "win32" ? "node.exe" : "node";

main();

function main() {
  const [program, ...rest] = process.argv.slice(2);
  if (!program) fail("toolchain.mjs needs the program to run", "run one of the scripts in package.json instead");
  install();
  run(process.platform === "win32" ? "node" : pinnedNode(), [join(root, program), ...rest]);
}

/** Packages are installed once per lock file; the stamp is written last, so an interrupted install runs again. */
function install() {
  const stamp = join(root, "node_modules", ".trellis-installed");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const installer = installerPath();
  say("Installing packages (the first time takes about half a minute)…");
  const done = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: installer + delimiter + process.env.PATH },
    shell: process.platform === "win32",
  });
  if (done.status !== 0)
    fail("npm could not install the packages (see above)", "check that the npm registry is reachable and try again");
  mkdirSync(join(root, "node_modules"), { recursive: true });
  writeFileSync(stamp, wanted);
}

/** npm picks native packages by the Node it runs on, so an old system Node first fetches the pinned one. */
function installerPath() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return join(process.execPath, "..");
  if (!pinned) {
    fail(
      `Node ${process.versions.node} is too old and no newer one is carried for ${process.platform}-${process.arch}`,
      "install Node 24 (https://nodejs.org) and try again",
    );
  }
  const home = join(root, ".cache", `node-${pinned}`);
  const folder = join(home, "node_modules", ".bin");
  if (!existsSync(join(folder, executable))) {
    say(`Fetching Node ${pinned} (this machine has ${process.versions.node})…`);
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "package.json"), "{}");
    const done = spawnSync(
      "npm",
      ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", `${carriedNode}@${pinned}`],
      {
        cwd: home,
        stdio: ["ignore", "inherit", "inherit"],
        shell: process.platform === "win32",
      },
    );
    if (done.status !== 0)
      fail(
        `Node ${pinned} could not be fetched from the npm registry`,
        "check the network, or install Node 24 yourself",
      );
  }
  return folder;
}

function pinnedNode() {
  const carried = join(bin, executable);
  return existsSync(carried) ? carried : process.execPath;
}

/** Ctrl-C reaches the whole terminal group; the program shuts down by itself and its exit code is ours. */
function run(node, args) {
  const child = spawn(node, args, {
    stdio: "inherit",
    env: { ...process.env, PATH: bin + delimiter + process.env.PATH },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
  }
  child.on("error", (error) => fail(`the program could not be started: ${error.message}`, "run npm ci and try again"));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(what, next) {
  say(`error: ${what}\n  next: ${next}`);
  process.exit(1);
}
