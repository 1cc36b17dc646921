import { DatabaseSync } from "node:sqlite";
import { dispatchOutbox } from "@trellis/outbox";
import { sqliteRepository } from "@trellis/outbox/sqlite";
import { ok, orThrow } from "@trellis/result";
import { TrellisService } from "@trellis/server/node";
import contract from "./box-office-contract.ts";

const db = new DatabaseSync(process.env["BOX_OFFICE_DB"] ?? "box-office.db", { timeout: 5_000 });
db.exec("CREATE TABLE IF NOT EXISTS tickets (id INTEGER PRIMARY KEY, show TEXT NOT NULL, seats INTEGER NOT NULL)");
const outbox = sqliteRepository(db);

const service = await TrellisService.connect({ contract, name: "box-office" });
await using _dispatcher = dispatchOutbox({ repository: outbox, service });

service.handle.rpc.tickets.sell(({ input: { show, seats } }) => {
  const ticket = outbox.transaction((tx) => {
    const { lastInsertRowid } = tx.prepare("INSERT INTO tickets (show, seats) VALUES (?, ?)").run(show, seats);
    const sold = { id: Number(lastInsertRowid), show, seats };
    outbox.add(tx, orThrow(service.event.tickets.sold.prepare(sold)));
    return sold;
  });
  return ok(ticket);
});

await service.run();
