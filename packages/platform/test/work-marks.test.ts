import { setTimeout as wait } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { markWork } from "../src/jobs/work-marks.ts";
import { ensureStream } from "../src/registry/jetstream-api.ts";
import { SHARED_STREAM_DEFAULTS, sharedStreams, WORK_MARK } from "../src/resources/shared-streams.ts";
import { startPlainNatsServer, until, type PlainNatsServer } from "./plain-nats-server.ts";

let server: PlainNatsServer;
let nc: NatsConnection;
let streams: JetStreamManager["streams"];
beforeAll(async () => {
  server = await startPlainNatsServer();
  nc = await connect({ servers: server.url });
  ({ streams } = await jetstreamManager(nc));
  for (const config of sharedStreams(SHARED_STREAM_DEFAULTS))
    if (config.name.startsWith("JOBS")) await ensureStream(nc, config);
});
afterAll(async () => {
  await nc?.close();
  await server?.remove();
});

it("marks what was stored since, once, keeps the newest mark, and begins anew with another stream", async () => {
  const marks = async (): Promise<number> =>
    (await streams.info("JOBS", { subjects_filter: WORK_MARK.record })).state.subjects?.[WORK_MARK.record] ?? 0;
  for (let n = 0; n < 10; n += 1) await jetstream(nc).publish(`trellis.jobs.a.b.${n}.progress`);
  const projection = { lastSequence: 0 };
  const over = new AbortController();
  const marking = markWork(nc, projection, over.signal);
  try {
    await wait(600);
    // Nobody has stored a job yet.
    expect(await marks()).toBe(0);
    projection.lastSequence = 10;
    await until(async () => (await marks()) === 1, "marked");
    projection.lastSequence = 11;
    await wait(3_000);
    // Nothing but the mark itself is new.
    expect(await marks()).toBe(1);
    // A stream that was made anew begins at 1.
    projection.lastSequence = 3;
    await until(async () => (await marks()) === 2, "marked again");
    const { state } = await streams.info("JOBS_WORK");
    expect(state.messages).toBeLessThanOrEqual(2);
    expect((await streams.getMessage("JOBS_WORK", { last_by_subj: WORK_MARK.item }))?.seq).toBe(state.last_seq);
  } finally {
    over.abort();
    await marking;
  }
});
