// One side of the operations benchmark: `worker.ts serve | start | three | pickup | sleep | bare`.
import { headers } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { TrellisClient } from "@trellis/client/node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import { ok } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { TrellisService } from "@trellis/server/node";
import { answerParent, type Ask } from "../answer-parent.ts";
import { starter, works } from "./contract.ts";

/** About as large as what people put into an operation. */
const TEXT = "x".repeat(200);
const HOUR_MS = 3_600_000;

function told(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

const now = (): number => performance.timeOrigin + performance.now();

async function serve(): Promise<undefined> {
  const service = await TrellisService.connect({
    contract: works,
    name: "durable",
    log: SILENT_LOG,
    onNotice: () => undefined,
  });
  service.handle.operation.durable.none(() => ok({ begunAt: now() }));
  service.handle.operation.durable.three(async ({ op }) => {
    const begunAt = now();
    for (const name of ["one", "two", "three"]) await op.step(name, () => name);
    return ok({ begunAt });
  });
  service.handle.operation.durable.sleep(async ({ input, op }) => {
    await op.sleep(input.sleepMs ?? HOUR_MS);
    return ok({ begunAt: now() });
  });
  await service.start();
  return undefined;
}

async function asking(side: string): Promise<Ask> {
  const client = await TrellisClient.connect({
    contract: starter,
    url: told("TRELLIS_URL"),
    userKeyFile: told("BENCH_USER_KEY"),
    env: {},
    onNotice: () => undefined,
  });
  const { none, three, sleep } = client.operation.durable;
  const options = { timeoutMs: 60_000 };
  if (side === "start") return async () => void (await none.start({ text: TEXT }, options).orThrow());
  if (side === "sleep") return async () => void (await sleep.start({ text: TEXT }, options).orThrow());
  if (side === "three") return async () => void (await three.run({ text: TEXT }, { timeoutMs: 120_000 }).orThrow());
  return async () => void (await none.run({ text: TEXT }, { timeoutMs: 120_000 }).orThrow());
}

/** The records of a three-step operation, published by nats.js under the same expectations: nobody works, nobody asks. */
async function bare(): Promise<Ask> {
  const keys = await loadControlPlaneKeys(told("BENCH_OPERATOR"));
  const user = createDirectUser(keys, "DATA", { name: "bench-bare" });
  const nc = await connect({
    servers: told("BENCH_NATS").split(","),
    authenticator: directAuthenticator(user),
    noAsyncTraces: true,
  });
  const record = "x".repeat(600);
  let made = 0;
  const store = async (subject: string, after: number, end: boolean): Promise<number> => {
    const head = headers();
    head.set("Nats-Expected-Last-Subject-Sequence", String(after));
    if (end) {
      head.set("Nats-Rollup", "sub");
      head.set("Nats-TTL", "3600s");
    }
    const ack = (await nc.request(subject, record, { headers: head, timeout: 30_000 })).json<{ seq: number }>();
    return ack.seq;
  };
  return async () => {
    const id = `bare-${process.pid}-${(made += 1)}`;
    await store(`trellis.ops.durable.wake.Bare.${id}`, 0, false);
    let sequence = 0;
    for (let at = 0; at < 5; at += 1)
      sequence = await store(`trellis.ops.durable.journal.Bare.${id}`, sequence, at === 4);
  };
}

const [side = ""] = process.argv.slice(2);
const ask = side === "serve" ? await serve() : side === "bare" ? await bare() : await asking(side);
answerParent(ask);
