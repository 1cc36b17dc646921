// What only a database has: leases on what was taken, and transactions a handler takes part in.
import { DatabaseSync } from "node:sqlite";
import { createInbox } from "@trellis/outbox";
import { sqliteRepository } from "@trellis/outbox/sqlite";
import { err, ok } from "@trellis/result";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasPostgres } from "../../../../scripts/peers/postgres.ts";
import { eventually } from "../events/eventually.ts";
import { claim, context, event, failure, ids, openPostgres, openSqlite, startDatabase } from "./repositories.ts";

let database: Awaited<ReturnType<typeof startDatabase>>;
beforeAll(async () => {
  database = await startDatabase();
});
afterAll(() => database?.[Symbol.asyncDispose]());

for (const kind of ["sqlite", "postgres"] as const) {
  describe.skipIf(kind === "postgres" && !hasPostgres())(`the repository of ${kind}`, () => {
    const open = async () => (kind === "sqlite" ? openSqlite() : openPostgres(database?.pool));

    it("gives an event, and what follows it in its lane, to one holder at a time", async () => {
      const books = await open();
      const other = books.again().repository;
      await books.add(event("1"), event("2"), event("3", "b"), event("4"));
      expect(ids(await books.repository.claim(claim("me", 1)))).toEqual(["1"]);
      expect(ids(await other.claim(claim("you")))).toEqual(["3"]);
      expect(ids(await books.repository.claim(claim("me")))).toEqual(["1", "2", "4"]);
      await books.repository.release("me");
      expect(ids(await other.claim(claim("you")))).toEqual(["1", "2", "3", "4"]);
    });

    it("many who claim at once never share a lane", async () => {
      const books = await open();
      await books.add(...Array.from({ length: 60 }, (_, n) => event(`${n}`, `lane${n % 5}`)));
      const claims = await Promise.all(
        Array.from({ length: 6 }, (_, n) => books.again().repository.claim(claim(`holder${n}`, 7))),
      );
      const holders = new Map<string, Set<number>>();
      claims.forEach((claimed, holder) => {
        for (const { lane } of claimed) holders.set(lane, (holders.get(lane) ?? new Set()).add(holder));
      });
      expect([...holders.values()].map(({ size }) => size)).toEqual([...holders.values()].map(() => 1));
      expect(claims.flat().length).toBeGreaterThan(0);
    });

    it("takes over what a holder did not renew, and not what it did", async () => {
      const { repository, add } = await open();
      await add(event("1"), event("2", "b"));
      expect(ids(await repository.claim(claim("dead", 1, 1)))).toEqual(["1"]);
      expect(ids(await repository.claim(claim("alive", 1, 1)))).not.toEqual([]);
      await repository.renew("alive", 60_000);
      await eventually(async () => {
        const { length } = await repository.claim(claim("me"));
        expect(length).toBe(1);
      });
    });

    it("an inbox undoes what a handler did that throws or refuses, and lets it try again", async () => {
      const books = await open();
      let attempt = 0;
      const inbox = createInbox(books.repository);
      const handle = inbox.once((_, tx) => {
        attempt += 1;
        const after = () => {
          if (attempt === 1) throw failure;
          return attempt === 2 ? err("not now") : ok();
        };
        const writing = books.write(tx, `attempt ${attempt}`);
        return writing instanceof Promise ? writing.then(after) : after();
      });
      await expect(handle(context("1"))).rejects.toBe(failure);
      expect(await handle(context("1"))).toEqual(err("not now"));
      expect(await handle(context("1"))).toEqual(ok());
      expect(await books.written()).toEqual(["attempt 3"]);
    });

    it("an inbox forgets what is older than it keeps", async () => {
      const { repository } = await open();
      const remember = async (id: string) =>
        repository.transaction((tx) => repository.remember(tx, { consumer: "c", name: "n", id }));
      for (const id of ["1", "2", "3"]) expect(await remember(id)).toBe(true);
      expect(await remember("1")).toBe(false);
      expect(await repository.forget(new Date(Date.now() - 60_000), 10)).toBe(0);
      expect(await repository.forget(new Date(Date.now() + 60_000), 2)).toBe(2);
      expect(await repository.forget(new Date(Date.now() + 60_000), 2)).toBe(1);
      expect(await remember("1")).toBe(true);
    });
  });
}

it("a transaction of SQLite may not wait", () => {
  const repository = sqliteRepository(new DatabaseSync(":memory:"));
  expect(() => repository.transaction(async () => undefined)).toThrow("may not wait");
  expect(repository.transaction(() => 1)).toBe(1);
});
