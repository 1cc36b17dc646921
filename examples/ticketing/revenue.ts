import { DatabaseSync } from "node:sqlite";
import { createInbox } from "@trellis/outbox";
import { sqliteRepository } from "@trellis/outbox/sqlite";
import { TrellisService } from "@trellis/server/node";
import contract from "./revenue-contract.ts";

const db = new DatabaseSync(process.env["REVENUE_DB"] ?? "revenue.db", { timeout: 5_000 });
db.exec("CREATE TABLE IF NOT EXISTS seats (show TEXT PRIMARY KEY, sold INTEGER NOT NULL)");
const inbox = createInbox(sqliteRepository(db));

const service = await TrellisService.connect({ contract, name: "revenue" });

service.handle.events.sales(
  inbox.once(({ event, log }, tx) => {
    const add = "INSERT INTO seats VALUES (?, ?) ON CONFLICT (show) DO UPDATE SET sold = sold + excluded.sold";
    tx.prepare(add).run(event.show, event.seats);
    log.info(`${event.seats} more seats of ${event.show}`);
  }),
);

await service.run();
