import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { localFiles } from "@trellis/platform";
import { startPlatform } from "@trellis/testing";
import { hasPostgres, startPostgres } from "../../scripts/peers/postgres.ts";
import { hasRedis, startRedis } from "../../scripts/peers/redis.ts";
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
  const standing: Standing[] = [];
  const enter = async (name: string, setting: string, env: NodeJS.ProcessEnv, worker = env): Promise<void> => {
    // Creators first: those of some peers make what their workers need.
    const creator = opening.use(await Side.start(name, "create", env));
    if (name === "bare") return void standing.push({ name, setting, creator, idle: undefined });
    opening.use(await Side.start(name, "work", worker));
    standing.push({ name, setting, creator, idle: opening.use(await Side.start(name, "idle", env)) });
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
  await enter("trellis", sync, await replica("creator"), await replica("worker"));
  await enter("bare", sync, await replica("bare"));

  if (hasRedis()) {
    const fsync = always ? "always" : "everysec";
    const redis = opening.use(await startRedis({ fsync }));
    await enter("bullmq", `appendonly, appendfsync ${fsync}`, { BENCH_REDIS: String(redis.port) });
  } else skipped.push("BullMQ: redis-server is not installed here (apt-get install redis-server)");

  if (hasPostgres()) {
    const commit = always ? "on" : "off";
    const postgres = opening.use(
      await startPostgres({ settings: { synchronous_commit: commit, max_connections: "200" } }),
    );
    for (const how of ["plain", "batched"])
      await enter(`graphile-${how}`, `synchronous_commit ${commit}`, { BENCH_POSTGRES: postgres.url });
  } else skipped.push("Graphile Worker: PostgreSQL is not installed here (apt-get install postgresql)");

  const opened = opening.move();
  return { standing, skipped, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
