import { dispatchOutbox } from "@trellis/outbox";
import { postgresRepository } from "@trellis/outbox/postgres";
import { orThrow } from "@trellis/result";
import { SILENT_LOG } from "@trellis/server";
import { Pool } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { hasPostgres } from "../../../../scripts/peers/postgres.ts";
import { startPlatform } from "../../src/index.ts";
import { eventually } from "../events/eventually.ts";
import { shop } from "./contracts.ts";
import { event, startDatabase } from "./repositories.ts";

/** Nobody who looks this seldom finds anything in a test. */
const NEVER_MS = 3_600_000;

describe.skipIf(!hasPostgres())("a commit in PostgreSQL", () => {
  let database: NonNullable<Awaited<ReturnType<typeof startDatabase>>>;
  let options: { readonly prefix: string };
  let round = 0;
  beforeAll(async () => {
    const started = await startDatabase();
    if (started === undefined) throw new Error("there is no PostgreSQL");
    database = started;
  });
  afterAll(() => database?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    options = { prefix: `n${++round}_` };
    await postgresRepository(database.pool, options).createTables();
  });

  /** The same outbox in another process: it knows of nothing that is added here. */
  function elsewhere() {
    const pool = new Pool({ connectionString: database.url });
    pool.on("error", () => undefined);
    return { pool, repository: postgresRepository(pool, options) };
  }

  /** Ends the connection that listens, as a failover does. */
  async function cutListener(): Promise<void> {
    const listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = $1";
    const { rowCount } = await database.pool.query(listening, [`LISTEN ${options.prefix}outbox`]);
    expect(rowCount).toBe(1);
  }

  it("wakes who listens, when it happens and not before; what is rolled back wakes nobody", async () => {
    const other = elsewhere();
    const stop = new AbortController();
    let wakes = 0;
    other.repository.watch(() => (wakes += 1), stop.signal);
    await eventually(() => expect(wakes).toBe(1));

    const here = postgresRepository(database.pool, options);
    const client = await database.pool.connect();
    await client.query("BEGIN");
    await here.add(client, event("1"));
    await client.query("SELECT pg_sleep(0.2)");
    expect(wakes).toBe(1);
    await client.query("COMMIT");
    await eventually(() => expect(wakes).toBe(2));

    await client.query("BEGIN");
    await here.add(client, event("2"));
    await client.query("ROLLBACK");
    await client.query("BEGIN");
    await here.add(client, event("3"), event("4"));
    await client.query("COMMIT");
    client.release();
    await eventually(() => expect(wakes).toBe(3));

    // Nothing is missed when the connection is lost: it says once more that something may have come.
    await cutListener();
    await here.transaction((tx) => here.add(tx, event("5")));
    await eventually(() => expect(wakes).toBeGreaterThanOrEqual(4));
    const again = wakes;
    await here.transaction((tx) => here.add(tx, event("6")));
    await eventually(() => expect(wakes).toBe(again + 1));

    stop.abort();
    // It holds no connection any more.
    await other.pool.end();
  });

  it("is published at once by a replica that took no part in it, also after its connection was lost", async () => {
    await using platform = await startPlatform();
    const service = await platform.connectService(shop, { log: SILENT_LOG });
    await service.start();
    const other = elsewhere();
    const dispatcher = dispatchOutbox({
      repository: other.repository,
      service,
      limits: { pollMs: NEVER_MS },
    });
    const here = postgresRepository(database.pool, options);
    const order = (n: number) =>
      here.transaction((tx) => here.add(tx, orThrow(service.event.shop.ordered.prepare({ key: "k", n }))));
    const nothingWaits = () =>
      eventually(async () => expect(await here.status()).toMatchObject({ waiting: 0, parked: 0 }));
    await order(1);
    await nothingWaits();
    await order(2);
    await nothingWaits();
    await cutListener();
    await order(3);
    await nothingWaits();
    await dispatcher.stop();
    await other.pool.end();
    await order(4);
    expect(await here.status()).toMatchObject({ waiting: 1 });
  });
});
