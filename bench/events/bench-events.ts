import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { headers, type NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { newSeed } from "@trellis/auth";
import { nodeSessionKey, writeSeedFile } from "@trellis/auth/node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import { newEventId } from "@trellis/protocol";
import { startPlatform, type TestPlatform } from "@trellis/testing";
import { startPlainServer } from "../plain-server.ts";
import type { BenchResult } from "../report.ts";
import { natsServerCpu } from "../server-cpu.ts";
import { median, round } from "../statistics.ts";
import { WorkerProcess } from "../worker-process.ts";
import { CONCURRENCY } from "./contracts.ts";
import { happened } from "./happened.ts";

const IN_FLIGHT = 256;
const WARM_UP_MS = 1_500;
const TURNS = 7;
const TURN_MS = 900;
const EVENTS_A_TURN = 20_000;
/** Promises of design/performance.md; the gate of this benchmark. */
const PROMISED: Readonly<Record<string, number>> = { publish: 0.6, consume: 0.6 };
const SIDES = ["raw", "trellis"] as const;
type Side = (typeof SIDES)[number];
/** Who consumes, by what JetStream calls it and where its events are. */
const READERS = {
  raw: { side: "raw", consumer: "all", event: "Happened" },
  trellis: { side: "trellis", consumer: "bench-reader_all", event: "Happened" },
  strict: { side: "trellis", consumer: "bench-strict_all", event: "Ordered" },
} as const;
type Reader = keyof typeof READERS;
const READER_NAMES = ["raw", "trellis", "strict"] as const satisfies readonly Reader[];
const worker = join(import.meta.dirname, "worker.ts");

/** Raw JetStream in one account without security next to a whole platform; they take turns. */
export async function run(): Promise<BenchResult> {
  await using stack = new AsyncDisposableStack();
  const plain = stack.use(await startPlainServer({ jetStream: true }));
  const platform = stack.use(await startPlatform({ config: { eventsMaxBytes: 2 * 1024 ** 3 } }));
  const directory = await mkdtemp(join(tmpdir(), "trellis-bench-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const streams: { readonly [S in Side]: NatsConnection } = {
    raw: await connect({ servers: plain.address }),
    trellis: await dataConnection(platform),
  };
  for (const connection of Object.values(streams)) stack.defer(() => connection.close());
  await makeRawStream(streams.raw);
  const [node] = platform.local.nats.nodes;
  if (node === undefined) throw new Error("the platform runs no nats-server");
  const servers: Servers = { raw: await natsServerCpu(plain.directory), trellis: await natsServerCpu(node.directory) };
  const start = async (who: Reader, role: "publish" | "consume", name: string): Promise<WorkerProcess> => {
    const seedFile = await provision(platform, directory, name);
    return stack.use(
      await WorkerProcess.start(worker, [who, role, who === "raw" ? plain.address : platform.url, seedFile]),
    );
  };

  const publish = await measurePublish(
    {
      raw: await start("raw", "publish", "bench-events"),
      trellis: await start("trellis", "publish", "bench-events"),
    },
    servers,
  );
  await makeRawConsumer(streams.raw);
  const consumers = {
    raw: await start("raw", "consume", "bench-reader"),
    trellis: await start("trellis", "consume", "bench-reader"),
    strict: await start("strict", "consume", "bench-strict"),
  };
  const { raw, trellis, strict } = await measureConsume(consumers, streams, servers);
  const consume = { raw, trellis };
  const consumeStrict = { raw, trellis: strict };

  const ratios = {
    publish: round(ratio(publish)),
    consume: round(ratio(consume)),
    consumeStrict: round(ratio(consumeStrict)),
  };
  return {
    bench: "events",
    columns: ["what", "raw/s", "trellis/s", "ratio", "raw µs", "trellis µs", "nats-server µs", "how"],
    rows: [
      ["publish", ...cells(publish, ratios.publish), `${IN_FLIGHT} in flight, each until it is stored`],
      [
        "consume",
        ...cells(consume, ratios.consume),
        `${CONCURRENCY} out at a time, each acknowledged; Trellis in order by subject`,
      ],
      [
        "consume strict",
        ...cells(consumeStrict, ratios.consumeStrict),
        "one out at a time over all replicas: that it is slow is its price",
      ],
    ],
    ratios,
    facts: {
      inFlight: IN_FLIGHT,
      rawPublishPerSecond: Math.round(median(publish.raw.rates)),
      rawConsumePerSecond: Math.round(median(consume.raw.rates)),
    },
    missed: Object.entries(PROMISED)
      .filter(([name, least]) => (Reflect.get(ratios, name) ?? 0) < least)
      .map(([name, least]) => `${name} is ${Reflect.get(ratios, name)} of raw; promised ${least}`),
  };
}

/** The rates of one side's turns, and the processor time all of them took in its process and in its nats-server. */
interface Turns {
  readonly rates: number[];
  events: number;
  workerMs: number;
  serverMs: number;
}
type Measured = { readonly [S in Side]: Turns };
type Servers = { readonly [S in Side]: () => Promise<number> };

function noTurns(): Turns {
  return { rates: [], events: 0, workerMs: 0, serverMs: 0 };
}

/** Takes one turn and adds it to what was measured. */
async function takeTurn(
  turns: Turns,
  worker: WorkerProcess,
  serverCpuMs: () => Promise<number>,
  work: () => Promise<{ readonly calls: number; readonly elapsedMs: number }>,
): Promise<void> {
  const before = [await worker.cpuMs(), await serverCpuMs()] as const;
  const { calls, elapsedMs } = await work();
  turns.workerMs += (await worker.cpuMs()) - before[0];
  turns.serverMs += (await serverCpuMs()) - before[1];
  turns.events += calls;
  turns.rates.push((calls / elapsedMs) * 1000);
}

async function measurePublish(workers: { readonly [S in Side]: WorkerProcess }, servers: Servers): Promise<Measured> {
  const measured: Measured = { raw: noTurns(), trellis: noTurns() };
  for (const side of SIDES) await workers[side].run({ type: "run", durationMs: WARM_UP_MS, inFlight: IN_FLIGHT });
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const side of SIDES) {
      await takeTurn(measured[side], workers[side], servers[side], () =>
        workers[side].run({ type: "run", durationMs: TURN_MS, inFlight: IN_FLIGHT }),
      );
    }
  }
  return measured;
}

/** Consumers pause while their events are stored, so that only consuming is measured. */
async function measureConsume(
  workers: { readonly [R in Reader]: WorkerProcess },
  streams: { readonly [S in Side]: NatsConnection },
  servers: Servers,
): Promise<{ readonly [R in Reader]: Turns }> {
  const measured = { raw: noTurns(), trellis: noTurns(), strict: noTurns() };
  for (let turn = -1; turn < TURNS; turn += 1) {
    for (const reader of READER_NAMES) {
      const { side, consumer, event } = READERS[reader];
      const stream = streams[side];
      const pause = (body: object): Promise<void> => api(stream, `CONSUMER.PAUSE.EVENTS.${consumer}`, body);
      await pause({ pause_until: new Date(Date.now() + 3_600_000).toISOString() });
      await fill(stream, event);
      // The first turn warms up.
      await takeTurn(turn < 0 ? noTurns() : measured[reader], workers[reader], servers[side], async () => {
        const ran = workers[reader].run({ type: "run", durationMs: 0, inFlight: EVENTS_A_TURN });
        await pause({});
        // The server looks at the requests that wait only when something happens: the last event is what does.
        await store(stream, event, EVENTS_A_TURN);
        return ran;
      });
    }
  }
  return measured;
}

/** Stores the events of one turn but the last, each with the headers a publisher gives it. */
async function fill(nc: NatsConnection, name: string): Promise<void> {
  const open: Promise<void>[] = [];
  for (let n = 1; n < EVENTS_A_TURN; n += 1) {
    open.push(store(nc, name, n));
    if (open.length === IN_FLIGHT) await Promise.all(open.splice(0));
  }
  await Promise.all(open);
}

async function store(nc: NatsConnection, name: string, n: number): Promise<void> {
  const event = happened(n);
  const head = headers();
  head.set("Nats-Msg-Id", newEventId(Date.now()));
  head.set("trellis-time", new Date().toISOString());
  await nc.request(`events.v1.Bench.${name}.${event.key}`, JSON.stringify(event), { headers: head, timeout: 10_000 });
}

/** Each turn is compared with the raw turn next to it, which had the same machine. */
function ratio({ raw, trellis }: Measured): number {
  return median(trellis.rates.map((rate, turn) => rate / (raw.rates[turn] ?? Number.NaN)));
}

function cells({ raw, trellis }: Measured, ratio: number): string[] {
  const each = (ms: number, { events }: Turns): string => ((ms / events) * 1000).toFixed(1);
  return [
    median(raw.rates).toFixed(0),
    median(trellis.rates).toFixed(0),
    String(ratio),
    each(raw.workerMs, raw),
    each(trellis.workerMs, trellis),
    `${each(raw.serverMs, raw)} / ${each(trellis.serverMs, trellis)}`,
  ];
}

async function makeRawStream(nc: NatsConnection): Promise<void> {
  // What the platform makes, without what it adds for safety.
  await api(nc, "STREAM.CREATE.EVENTS", {
    name: "EVENTS",
    subjects: ["events.>"],
    storage: "file",
    max_bytes: 2 * 1024 ** 3,
    duplicate_window: 120e9,
    allow_direct: true,
  });
}

async function makeRawConsumer(nc: NatsConnection): Promise<void> {
  await api(nc, "CONSUMER.CREATE.EVENTS.all", {
    stream_name: "EVENTS",
    action: "create",
    config: {
      durable_name: "all",
      ack_policy: "explicit",
      deliver_policy: "new",
      max_ack_pending: CONCURRENCY,
      filter_subjects: ["events.v1.Bench.Happened.*"],
    },
  });
}

async function provision(platform: TestPlatform, directory: string, name: string): Promise<string> {
  const seed = newSeed();
  const seedFile = join(directory, `${name}-${Math.random().toString(36).slice(2)}.seed`);
  writeSeedFile(seedFile, seed);
  await platform.admin.rpc.auth.deploymentsCreate({ name, mode: "mutable-dev" });
  await platform.admin.rpc.auth
    .instancesProvision({ deployment: name, sessionKey: nodeSessionKey(seed).publicKey })
    .orThrow();
  return seedFile;
}

async function dataConnection(platform: TestPlatform): Promise<NatsConnection> {
  const keys = await loadControlPlaneKeys(join(platform.local.directory, "operator"));
  return connect({
    servers: [...platform.local.nats.servers],
    authenticator: directAuthenticator(createDirectUser(keys, "DATA", { name: "bench" })),
  });
}

async function api(nc: NatsConnection, subject: string, body: object): Promise<void> {
  const answer = (await nc.request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: 5_000 })).json<{
    error?: { description: string };
  }>();
  if (answer.error) throw new Error(`${subject}: ${answer.error.description}`);
}
