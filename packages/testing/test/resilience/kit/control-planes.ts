import { connect as dial, createServer } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { LocalPlatform } from "@trellis/platform";
import type { TestPlatform } from "../../../src/index.ts";
import { Program } from "../../../src/program.ts";

const MAIN = new URL("../../../../platform/src/main.ts", import.meta.url);

/** On a machine that does ten other things. */
const READY_MS = 120_000;

/** A replica of the control plane in a process of its own. */
export interface ControlPlaneProcess {
  readonly program: Program;
  readonly url: string;
  /** How it calls itself in leases and in the monitoring. */
  readonly origin: string;
}

/** One more replica over the NATS servers of a platform, as it begins. */
export function controlPlaneProgram(
  local: LocalPlatform,
  env: { readonly [name: string]: string } = {},
  preload: readonly string[] = [],
): Program {
  return new Program(MAIN, {
    preload,
    env: {
      TRELLIS_OPERATOR_DIR: join(local.directory, "operator"),
      TRELLIS_NATS_SERVERS: local.nats.servers.join(","),
      TRELLIS_HTTP_PORT: "0",
      TRELLIS_LOCAL: "true",
      TRELLIS_EVENTS_MAX_BYTES: "64MiB",
      TRELLIS_JOBS_MAX_BYTES: "64MiB",
      TRELLIS_STATE_MAX_BYTES: "64MiB",
      ...env,
    },
  });
}

/** Starts one more replica and waits until it is ready. */
export async function spawnControlPlane(
  local: LocalPlatform,
  env: { readonly [name: string]: string } = {},
  preload: readonly string[] = [],
): Promise<ControlPlaneProcess> {
  const program = controlPlaneProgram(local, env, preload);
  const [line] = await program.said(/^.*the control plane is ready.*$/m, READY_MS);
  const ready: unknown = JSON.parse(line);
  if (!isReadyLine(ready)) throw new Error(`The control plane said something else: ${line}`);
  return { program, url: ready.url, origin: ready.origin };
}

/** Gives a platform to two replicas alone: the one in this process, which made the developer, stops. */
export async function handOver(
  platform: TestPlatform,
  env: { readonly [name: string]: string } = {},
): Promise<[ControlPlaneProcess, ControlPlaneProcess]> {
  const replicas = await Promise.all([spawnControlPlane(platform.local, env), spawnControlPlane(platform.local, env)]);
  await Promise.all(platform.local.controlPlanes.map((controlPlane) => controlPlane.stop()));
  return replicas;
}

/** The same with one. */
export async function handOverToOne(platform: TestPlatform): Promise<ControlPlaneProcess> {
  const replica = await spawnControlPlane(platform.local);
  await Promise.all(platform.local.controlPlanes.map((controlPlane) => controlPlane.stop()));
  return replica;
}

/** What any HTTP load balancer does: each connection goes to the first replica that takes it, starting anywhere. */
export async function balance(urls: readonly string[]): Promise<{ readonly url: string } & AsyncDisposable> {
  const open = new Set<Socket>();
  let turn = 0;
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => socket.destroy()).on("close", () => open.delete(socket));
    const start = turn++;
    const tryNext = (attempt: number): void => {
      const target = urls[(start + attempt) % urls.length];
      if (target === undefined || attempt === urls.length) return void socket.destroy();
      const { hostname, port } = new URL(target);
      const upstream = dial(Number(port), hostname, () => {
        upstream.off("error", onRefused);
        upstream.on("error", () => socket.destroy()).on("close", () => socket.destroy());
        socket.on("close", () => upstream.destroy());
        socket.pipe(upstream).pipe(socket);
      });
      const onRefused = (): void => tryNext(attempt + 1);
      upstream.once("error", onRefused);
    };
    tryNext(0);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One number from the metrics of a replica. */
export async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  const value = new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`${url} has no metric ${name}.`);
  return Number(value);
}

/** Whether a replica takes work. */
export async function isReady(url: string): Promise<boolean> {
  return fetch(new URL("/readyz", url)).then(
    (response) => response.ok,
    () => false,
  );
}

function isReadyLine(value: unknown): value is { readonly url: string; readonly origin: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "url" in value &&
    typeof value.url === "string" &&
    "origin" in value &&
    typeof value.origin === "string"
  );
}
