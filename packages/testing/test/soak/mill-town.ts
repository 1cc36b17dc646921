import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import type { TrellisClient } from "@trellis/client/node";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { controlPlaneProgram, spawnControlPlane } from "../resilience/kit/control-planes.ts";
import { Program } from "../../src/program.ts";
import { baker, mill } from "./contract.ts";
import { natsServer, supervised, type Victim } from "./victim.ts";

const SERVICE = new URL("./service-process.ts", import.meta.url);
const REPLICAS = 2;

/** Everything the soak is about: three NATS servers, one control plane, two replicas of a service. */
export interface MillTown extends AsyncDisposable {
  readonly platform: TestPlatform;
  readonly victims: readonly Victim[];
  /** Creates jobs and waits for them, runs none; nobody hurts it. */
  readonly customer: TrellisService<typeof mill>;
  /** Starts operations and waits for them; nobody hurts it either. */
  readonly client: TrellisClient<typeof baker>;
  /** Where the replicas write down what they did. */
  readonly effects: string;
  /** What processes said that ended by themselves. */
  readonly ended: readonly string[];
}

export async function buildMillTown(jobsMaxBytes: string): Promise<MillTown> {
  await using building = new AsyncDisposableStack();
  const platform = building.use(await startPlatform({ nodes: 3 }));
  const { local, admin } = platform;
  const settings = { TRELLIS_JOBS_MAX_BYTES: jobsMaxBytes };
  // The first one chooses the port all its successors have, and brings the streams to their size.
  const first = await spawnControlPlane(local, settings);
  const { port } = new URL(first.url);
  await admin.rpc.auth.deploymentsCreate({ name: "mill", mode: "mutable-dev" }).orThrow();
  const seedFiles = ["customer", ...Array.from({ length: REPLICAS }, (_, n) => `replica-${n + 1}`)].map((name) =>
    join(local.directory, `${name}.seed`),
  );
  for (const file of seedFiles) {
    const { publicKey } = nodeSessionKey(loadOrCreateSeedFile(file).seed);
    await admin.rpc.auth.instancesProvision({ deployment: "mill", sessionKey: publicKey }).orThrow();
  }
  await Promise.all(local.controlPlanes.map((controlPlane) => controlPlane.stop()));
  const [seedFile = "", ...replicaFiles] = seedFiles;
  const customer = await TrellisService.connect({
    contract: mill,
    name: "mill",
    url: first.url,
    seedFile,
    env: {},
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  building.defer(() => customer.stop());
  const client = await platform.connectClient(baker, { url: first.url, onNotice: () => undefined });
  await first.program.kill();

  const ended: string[] = [];
  const effects = join(local.directory, "effects");
  const victims: Victim[] = local.nats.nodes.map(natsServer);
  const enter = (name: string, kind: Victim["kind"], says: RegExp, spawn: () => Program): void =>
    void victims.push(
      building.use(
        supervised({ name, kind, says, spawn, onEnd: (said) => ended.push(`${name} ended by itself: ${said}`) }),
      ),
    );
  enter("control plane", "control plane", /is ready/, () =>
    controlPlaneProgram(local, { ...settings, TRELLIS_HTTP_PORT: port }),
  );
  for (const [n, file] of replicaFiles.entries()) {
    const env = { TRELLIS_URL: first.url, TRELLIS_SEED_FILE: file, SOAK_EFFECTS: effects };
    enter(`replica ${n + 1}`, "service", /serving/, () => new Program(SERVICE, { env }));
  }
  const built = building.move();
  return { platform, victims, customer, client, effects, ended, [Symbol.asyncDispose]: () => built.disposeAsync() };
}
