import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { localFiles } from "@trellis/platform";
import { startPlatform } from "@trellis/testing";
import { freePort } from "../../scripts/peers/free-port.ts";
import { hasRestate, RESTATE_SDK, startRestate } from "../../scripts/peers/restate.ts";
import { WorkerProcess } from "../worker-process.ts";

/** Starts one side of a contender in a process of its own. */
type Begin = (side: string) => Promise<WorkerProcess>;

const at = (file: string): string => join(import.meta.dirname, file);

/** A platform of ours; without an interval, acknowledged means written and not on the disk. */
export async function enterTrellis(up: AsyncDisposableStack, syncInterval?: "always"): Promise<Begin> {
  const platform = up.use(await startPlatform(syncInterval === undefined ? {} : { syncInterval }));
  await platform.admin.rpc.auth.deploymentsCreate({ name: "durable", mode: "mutable-dev" }).orThrow();
  const seedFile = join(platform.local.directory, "durable.seed");
  const { publicKey } = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
  await platform.admin.rpc.auth.instancesProvision({ deployment: "durable", sessionKey: publicKey }).orThrow();
  const env = {
    TRELLIS_URL: platform.url,
    TRELLIS_SEED_FILE: seedFile,
    BENCH_USER_KEY: platform.local.developer.keyFile,
    BENCH_OPERATOR: localFiles(platform.local.directory).operator,
    BENCH_NATS: platform.local.nats.servers.join(","),
  };
  return async (side) => up.use(await WorkerProcess.start(at("worker.ts"), [side], env));
}

/** A Restate as it comes, with its service; nothing when it is not installed here. */
export async function enterRestate(up: AsyncDisposableStack): Promise<Begin | undefined> {
  if (!hasRestate()) return undefined;
  const restate = up.use(await startRestate());
  const port = await freePort();
  const served = { BENCH_RESTATE_SDK: RESTATE_SDK, BENCH_PORT: String(port) };
  up.use(await WorkerProcess.start(at("restate-service-process.mjs"), [], served));
  await restate.register(`http://127.0.0.1:${port}`);
  const env = { BENCH_RESTATE: restate.ingress };
  return async (side) => up.use(await WorkerProcess.start(at("restate-caller-process.ts"), [side], env));
}
