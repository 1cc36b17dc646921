import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { TrellisClient } from "@trellis/client/node";
import type { AnyContract } from "@trellis/contracts";
import { type Config, type LocalPlatform, startLocalPlatform } from "@trellis/platform";
import type { TrellisService } from "@trellis/server/node";
import { adminContract } from "./admin-contract.ts";
import { Program, type ProgramOptions } from "./program.ts";
import { connectTestService, type TestServiceOptions } from "./test-service.ts";

export interface TestPlatformOptions {
  /** Three servers, to lose one. Default 1. */
  readonly nodes?: 1 | 3;
  /** Replicas of the control plane, in this process. Default 1. */
  readonly controlPlanes?: number;
  /** Settings that differ from the defaults, such as a short life of permissions. */
  readonly config?: Partial<Config>;
  /** `always`: acknowledged means on disk. */
  readonly syncInterval?: string;
}

export interface TestClientOptions {
  /** Another way to the platform than its own address, such as another replica or a proxy. */
  readonly url?: string;
  /** What is waited for, or has gone wrong and is being tried again. Printed to standard error unless given. */
  readonly onNotice?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** A platform of this test's own. Everything it started is gone when it is disposed of. */
export interface TestPlatform extends AsyncDisposable {
  readonly url: string;
  /** The parts, to look into or to break. */
  readonly local: LocalPlatform;
  /** Calls the platform's own RPCs as its administrator. */
  readonly admin: TrellisClient<typeof adminContract>;
  /** A key and a deployment are made, the contract is accepted; handlers and `start()` are the test's. */
  connectService<const C extends AnyContract, Deps = undefined>(
    contract: C,
    options?: TestServiceOptions<Deps>,
  ): Promise<TrellisService<C, Deps>>;
  /** Connects as the platform's developer. */
  connectClient<const C extends AnyContract>(contract: C, options?: TestClientOptions): Promise<TrellisClient<C>>;
  /** Runs a program as on a laptop: it finds this platform by the `.trellis` folder above its working directory. */
  run(file: URL | string, options?: ProgramOptions): Program;
  stop(): Promise<void>;
}

/** Small enough for any machine: streams reserve their size. */
const TEST_STREAM_BYTES = 64 * 1024 * 1024;

export async function startPlatform(options: TestPlatformOptions = {}): Promise<TestPlatform> {
  const { config, ...topology } = options;
  await using started = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "trellis-test-"));
  started.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  const local = await startLocalPlatform({
    ...topology,
    directory: join(directory, ".trellis"),
    httpPort: 0,
    config: {
      eventsMaxBytes: TEST_STREAM_BYTES,
      deadEventsMaxBytes: TEST_STREAM_BYTES,
      jobsMaxBytes: TEST_STREAM_BYTES,
      stateMaxBytes: TEST_STREAM_BYTES,
      ...config,
    },
  });
  started.defer(async () => {
    // Nobody will read this data again, so the servers need not write it out.
    await Promise.all(local.controlPlanes.map((controlPlane) => controlPlane.stop()));
    await local.nats.stop({ signal: "SIGKILL" });
    await local.stop();
  });
  const connect = async <const C extends AnyContract>(
    contract: C,
    clientOptions: TestClientOptions = {},
  ): Promise<TrellisClient<C>> => {
    const client = await TrellisClient.connect({
      contract,
      url: local.url,
      userKeyFile: local.developer.keyFile,
      env: {},
      ...clientOptions,
    });
    opened.push(client);
    return client;
  };
  const opened: AsyncDisposable[] = [];
  started.defer(async () => void (await Promise.allSettled(opened.map((each) => each[Symbol.asyncDispose]()))));
  // Outages are made by tests on purpose, and whoever waits for the administrator learns from the test.
  const admin = await connect(adminContract, { onNotice: () => undefined });

  const resources = started.move();
  const stop = (): Promise<void> => resources.disposeAsync();
  return {
    url: local.url,
    local,
    admin,
    connectClient: connect,
    async connectService(contract, serviceOptions) {
      const service = await connectTestService({ contract, url: local.url, admin, ...serviceOptions });
      opened.push({ [Symbol.asyncDispose]: () => service.stop() });
      return service;
    },
    run: (file, programOptions) => new Program(file, { cwd: dirname(local.directory), ...programOptions }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
