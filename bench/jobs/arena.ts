import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { localFiles } from "@trellis/platform";
import { startPlatform } from "@trellis/testing";
import { hasPostgres, startPostgres } from "../../scripts/peers/postgres.ts";
import { hasRedis, startRedis } from "../../scripts/peers/redis.ts";
import { cpuMsOf } from "./cpu-time.ts";
import { Side } from "./side.ts";

/** What an acknowledgement means: written, so that no killed process loses it; or on the disk, so that no power cut does. */
export type Durability = "written" | "on disk";

/** One contender with its servers, creator and worker up. */
export interface Standing {
  readonly name: string;
  /** The setting that makes an acknowledgement mean what it means. */
  readonly setting: string;
  readonly creator: Side;
  readonly idle: Side | undefined;
  /** Processor time of creator, worker and servers so far. */
  cpuMs(): number;
}

export interface Arena extends AsyncDisposable {
  readonly standing: readonly Standing[];
  /** Peers that are not installed here, and how to get them. */
  readonly skipped: readonly string[];
}

/** Room for all records of a run. */
const STREAM_BYTES = 2 * 1024 ** 3;

/** Starts everybody, all with the same meaning of an acknowledgement. */
export async function openArena(durability: Durability): Promise<Arena> {
  await using opening = new AsyncDisposableStack();
  const always = durability === "on disk";
  const skipped: string[] = [];
  const coming: Promise<Standing>[] = [];
  const start = async (...side: Parameters<typeof Side.start>): Promise<Side> => opening.use(await Side.start(...side));
  const enter = async (
    name: string,
    setting: string,
    serverCpuMs: () => number,
    env: NodeJS.ProcessEnv,
    workerEnv = env,
  ): Promise<Standing> => {
    // Creators first: those of some peers make what their workers need.
    const creator = await start(name, "create", env);
    if (name === "bare") {
      const cpuMs = (): number => cpuMsOf(creator.pid) + serverCpuMs();
      return { name, setting, creator, idle: undefined, cpuMs };
    }
    // How soon work is picked up hardly depends on the disk: the next job does not wait for it.
    const idle = always ? undefined : start(name, "idle", env);
    const worker = await start(name, "work", workerEnv);
    const cpuMs = (): number => cpuMsOf(creator.pid) + cpuMsOf(worker.pid) + serverCpuMs();
    return { name, setting, creator, idle: await idle, cpuMs };
  };

  const platform = opening.use(
    await startPlatform({
      config: { jobsMaxBytes: STREAM_BYTES },
      ...(always ? { syncInterval: "always" } : {}),
    }),
  );
  await platform.admin.rpc.auth.deploymentsCreate({ name: "factory", mode: "mutable-dev" }).orThrow();
  const replica = async (which: string): Promise<NodeJS.ProcessEnv> => {
    const seedFile = join(platform.local.directory, `${which}.seed`);
    const { publicKey } = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
    await platform.admin.rpc.auth.instancesProvision({ deployment: "factory", sessionKey: publicKey }).orThrow();
    return {
      TRELLIS_URL: platform.url,
      TRELLIS_SEED_FILE: seedFile,
      BENCH_OPERATOR: localFiles(platform.local.directory).operator,
      BENCH_NATS: platform.local.nats.servers.join(","),
    };
  };
  const sync = `R1, sync_interval ${always ? "always" : "2m"}`;
  const nats = (): number => platform.local.nats.nodes.reduce((sum, { pid = 0 }) => sum + cpuMsOf(pid), 0);
  // The control plane and its projection run in this process, which does nothing else meanwhile.
  const platformCpu = (): number => nats() + (process.cpuUsage().user + process.cpuUsage().system) / 1_000;
  coming.push(enter("trellis", sync, platformCpu, await replica("creator"), await replica("worker")));
  coming.push(enter("bare", sync, nats, await replica("bare")));

  if (hasRedis()) {
    const fsync = always ? "always" : "everysec";
    const redis = opening.use(await startRedis({ fsync }));
    coming.push(
      enter("bullmq", `appendonly, appendfsync ${fsync}`, () => cpuMsOf(redis.pid), {
        BENCH_REDIS: String(redis.port),
      }),
    );
  } else skipped.push("BullMQ: redis-server is not installed here (apt-get install redis-server)");

  if (hasPostgres()) {
    const commit = always ? "on" : "off";
    const postgres = opening.use(
      await startPostgres({ settings: { synchronous_commit: commit, max_connections: "200" } }),
    );
    for (const how of always ? ["batched"] : ["plain", "batched"])
      coming.push(
        enter(`graphile-${how}`, `synchronous_commit ${commit}`, () => cpuMsOf(postgres.pid), {
          BENCH_POSTGRES: postgres.url,
        }),
      );
  } else skipped.push("Graphile Worker: PostgreSQL is not installed here (scripts/install-postgres.sh)");

  const standing = await Promise.all(coming);
  const opened = opening.move();
  return { standing, skipped, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
