import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { newSeed } from "@trellis/auth";
import { nodeSessionKey, writeSeedFile } from "@trellis/auth/node";
import { startPlatform } from "@trellis/testing";
import type { BenchResult } from "../report.ts";
import { median } from "../statistics.ts";
import { buildWarehouse } from "./build-warehouse.ts";

/** For a service in one file, as it is deployed where memory counts. */
const PROMISED_MB = 90;
const TIMES = 3;
/** What starting took has been given back by then, as far as it ever is. */
const IDLE_MS = 10_000;
const DEPLOYMENT = "warehouse-bench";
const MIB = 2 ** 20;

interface Memory {
  /** With the pages of Node itself, which all of its processes share. */
  readonly rss: number;
  readonly private: number;
  readonly heapUsed: number;
}

const FORMS = {
  nothing: "Node with nothing to do",
  bundled: "an idle service with 20 surfaces, in one file",
  installed: "the same from packages as they are installed",
} as const;

/** An idle service of some size, in plain JavaScript from packages as they are published. */
export async function run(): Promise<BenchResult> {
  await using stack = new AsyncDisposableStack();
  const warehouse = buildWarehouse();
  const platform = stack.use(await startPlatform());
  const directory = await mkdtemp(join(tmpdir(), "trellis-bench-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const seed = newSeed();
  const seedFile = join(directory, "service.seed");
  writeSeedFile(seedFile, seed);
  await platform.admin.rpc.auth.deploymentsCreate({ name: DEPLOYMENT, mode: "mutable-dev" }).orThrow();
  await platform.admin.rpc.auth
    .instancesProvision({ deployment: DEPLOYMENT, sessionKey: nodeSessionKey(seed).publicKey })
    .orThrow();

  const measured: { readonly [F in keyof typeof FORMS]: Memory[] } = { nothing: [], bundled: [], installed: [] };
  for (let time = 0; time < TIMES; time += 1)
    for (const form of ["nothing", "bundled", "installed"] as const)
      measured[form].push(await memoryOf(warehouse[form], [platform.url, seedFile]));
  const mb = (form: keyof typeof FORMS, of: keyof Memory): number =>
    Math.round(median(measured[form].map((one) => one[of])) / MIB);
  const bundledMb = mb("bundled", "rss");
  return {
    bench: "memory",
    columns: ["what", "resident MB", "of it private", "live heap MB", "promised"],
    rows: (["nothing", "bundled", "installed"] as const).map((form) => [
      FORMS[form],
      ...(["rss", "private", "heapUsed"] as const).map((of) => String(mb(form, of))),
      form === "bundled" ? `< ${PROMISED_MB}` : "",
    ]),
    ratios: { bundled: Number((bundledMb / PROMISED_MB).toFixed(2)) },
    facts: { nodeMb: mb("nothing", "rss"), bundledMb, installedMb: mb("installed", "rss") },
    missed: bundledMb < PROMISED_MB ? [] : [`${FORMS.bundled} has ${bundledMb} MB; promised < ${PROMISED_MB}`],
  };
}

async function memoryOf(program: string, args: readonly string[]): Promise<Memory> {
  const child = fork(program, [...args], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  try {
    await once(child, "message");
    await pause(IDLE_MS);
    child.send("memory");
    const [told]: Omit<Memory, "private">[] = await once(child, "message");
    if (told === undefined) throw new Error(`${program} did not say how much memory it has`);
    return { ...told, private: await privateBytes(child.pid ?? 0) };
  } finally {
    child.kill("SIGKILL");
  }
}

/** Linux only; elsewhere nothing is known. */
async function privateBytes(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  const kilobytes = [...rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)].map(([, each]) => Number(each));
  return kilobytes.length === 0 ? Number.NaN : kilobytes.reduce((sum, each) => sum + each, 0) * 1024;
}
