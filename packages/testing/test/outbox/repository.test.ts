// One suite, run by every place where events can wait: SQLite, PostgreSQL where there is one, and a bucket.
import { OutboxFull } from "@trellis/outbox";
import type { WaitingEvent } from "@trellis/outbox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasPostgres } from "../../../../scripts/peers/postgres.ts";
import { eventually } from "../events/eventually.ts";
import {
  claim,
  context,
  event,
  failure,
  ids,
  openPostgres,
  openSqlite,
  type Place,
  startBucket,
  startDatabase,
} from "./repositories.ts";

let database: Awaited<ReturnType<typeof startDatabase>>;
let bucket: Awaited<ReturnType<typeof startBucket>> | undefined;
beforeAll(async () => {
  [database, bucket] = await Promise.all([startDatabase(), startBucket()]);
});
afterAll(async () => {
  await database?.[Symbol.asyncDispose]();
  await bucket?.[Symbol.asyncDispose]();
});

const OPEN: { readonly [kind: string]: (maxWaiting?: number) => Promise<Place> } = {
  sqlite: async (maxWaiting) => openSqlite(maxWaiting),
  postgres: (maxWaiting) => openPostgres(database?.pool, maxWaiting),
  kv: () => {
    if (bucket === undefined) throw new Error("there is no bucket");
    return bucket.open();
  },
};

/** What was claimed under each subject, in its order: between subjects there is none. */
const bySubject = (claimed: readonly WaitingEvent[]) =>
  Object.fromEntries(
    [...Map.groupBy(claimed, (each) => each.event.subject)]
      .map(([subject, of]): [string, readonly string[]] => [subject.split(".").at(-1) ?? "", ids(of)])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

for (const [kind, open] of Object.entries(OPEN)) {
  describe.skipIf(kind === "postgres" && !hasPostgres())(`the repository of ${kind}`, () => {
    it("keeps what was committed, in order and to the last byte, and nothing of what was undone", async () => {
      const { repository, add, addAndFail } = await open();
      await add(event("1"), event("2", "b"));
      await expect(addAndFail(event("3"))).rejects.toBe(failure);
      await add(event("4"));
      const claimed = await repository.claim(claim("me"));
      expect(bySubject(claimed)).toEqual({ a: ["1", "4"], b: ["2"] });
      expect(claimed.find((each) => each.event.id === "1")?.event).toEqual(event("1"));
      expect(await repository.status()).toMatchObject({ waiting: 3, parked: 0, oldestAt: expect.any(Date) });
      await repository.sent(claimed.filter((each) => each.event.id !== "4"));
      await repository.release("me");
      expect(ids(await repository.claim(claim("me")))).toEqual(["4"]);
      await repository.sent(claimed.filter((each) => each.event.id === "4"));
      expect(await repository.status()).toEqual({ waiting: 0, parked: 0, oldestAt: undefined });
    });

    it("gives what one has that is gone to another, in its order", async () => {
      const books = await open();
      const stop = new AbortController();
      const other = books.again();
      other.repository.watch(() => undefined, stop.signal);
      await books.add(event("1"), event("2"), event("3", "b"));
      expect(await books.repository.claim(claim("dead", 100, 100))).toHaveLength(3);
      await eventually(async () => {
        expect(bySubject(await other.repository.claim(claim("you")))).toEqual({ a: ["1", "2"], b: ["3"] });
      });
      stop.abort();
    });

    it("leaves events of other names to those who know them, and says what waits", async () => {
      const { repository, add } = await open();
      const before = Date.now();
      await add(event("1", "a", "Shop.New"), event("2", "b"), event("3", "c", "Shop.New"), event("4", "d", "Shop.Old"));
      expect(ids(await repository.claim(claim("old")))).toEqual(["2"]);
      expect(ids(await repository.claim({ ...claim("new"), names: ["Shop.New"] }))).toEqual(["1", "3"]);
      const strangers = await repository.strangers(["Shop.Ordered"]);
      expect(strangers.map(({ name, waiting }) => [name, waiting])).toEqual([
        ["Shop.New", 2],
        ["Shop.Old", 1],
      ]);
      // A database has a clock of its own.
      for (const { oldestAt } of strangers) expect(Math.abs(oldestAt.getTime() - before)).toBeLessThan(60_000);
      expect((await repository.strangers(["Shop.New", "Shop.Old"])).map(({ name }) => name)).toEqual(["Shop.Ordered"]);
    });

    it("puts aside what has a name that nobody publishes any more, and what waits behind it goes on", async () => {
      const { repository, add } = await open();
      await add(event("1", "a", "Shop.Gone"), event("2", "a"), event("3", "b", "Shop.Gone"));
      expect(await repository.parkNamed("Shop.Gone")).toBe(2);
      expect(await repository.parkNamed("Shop.Gone")).toBe(0);
      expect(await repository.strangers(["Shop.Ordered"])).toEqual([]);
      expect(ids(await repository.claim(claim("me")))).toEqual(["2"]);
      expect(await repository.status()).toMatchObject({ waiting: 1, parked: 2 });
      const [parked] = await repository.parked(1);
      expect(parked?.reason).toContain("No version of the service");
      expect(await repository.retry("1")).toBe(true);
      expect(await repository.drop("3")).toBe(true);
      expect(await repository.status()).toMatchObject({ waiting: 2, parked: 0 });
    });

    it("puts one aside, lets it wait again, and forgets it", async () => {
      const { repository, add } = await open();
      await add(event("1"), event("2"));
      const [first] = await repository.claim(claim("me"));
      if (first === undefined) throw new Error("nothing was claimed");
      await repository.park(first, "too large");
      expect(await repository.parked()).toEqual([{ event: event("1"), reason: "too large" }]);
      expect(ids(await repository.claim(claim("me")))).toEqual(["2"]);
      expect(await repository.retry("1")).toBe(true);
      expect(await repository.retry("1")).toBe(false);
      expect(ids(await repository.claim(claim("me")))).toEqual(["1", "2"]);
      await repository.park(first, "too large");
      expect(await repository.drop("1")).toBe(true);
      expect(await repository.drop("1")).toBe(false);
      expect(await repository.status()).toMatchObject({ waiting: 1, parked: 0 });
    });

    it("refuses one more than it may hold, and takes it when there is room", async () => {
      const { repository, add, maxWaiting } = await open(3);
      await add(...Array.from({ length: maxWaiting }, (_, n) => event(`${n}`)));
      await expect(add(event("more"))).rejects.toThrow(OutboxFull);
      const claimed = await repository.claim(claim("me"));
      await repository.sent(claimed.slice(1, 2));
      await add(event("more"));
      await expect(add(event("even more"))).rejects.toThrow(`holds ${maxWaiting} events`);
    });

    it("an effect happens once, also when its event comes twice at the same time", async () => {
      const { once, written } = await open();
      await once(context("1"), "1");
      await Promise.all([1, 2, 3].map(() => once(context("2"), "2")));
      await once(context("1"), "1");
      expect(await written()).toEqual(["1", "2"]);
      // Another consumer, and another event that somebody gave the same id, are others.
      await once(context("1", { consumer: "billing.parcels" }), "3");
      await once(context("1", { name: "Shop.Noted" }), "4");
      expect(await written()).toEqual(["1", "2", "3", "4"]);
    });

    it("an effect is undone with what a handler did that throws, and may be tried again", async () => {
      const { once, written } = await open();
      const fails = (): void => {
        throw failure;
      };
      await expect(once(context("1"), "first", fails)).rejects.toBe(failure);
      expect(await written()).toEqual([]);
      await once(context("1"), "second");
      expect(await written()).toEqual(["second"]);
    });
  });
}
