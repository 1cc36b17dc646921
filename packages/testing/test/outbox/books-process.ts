// One replica: node books-process.ts <shop|ledger> <kind> <url> <seed file> <where> <deployment> <index>
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { dispatchOutbox } from "@trellis/outbox";
import { orThrow } from "@trellis/result";
import { SILENT_LOG, TrellisService } from "@trellis/server/node";
import { openBooks } from "./books.ts";
import type { Books, BooksKind } from "./books.ts";
import { ledger, shop } from "./contracts.ts";

const [, , role = "", kindText = "", url = "", seedFile = "", where = "", name = "", index = ""] = process.argv;
process.on("disconnect", () => process.exit(0));
const kind: BooksKind = kindText === "kv" || kindText === "postgres" ? kindText : "sqlite";
const connection = {
  name,
  url,
  key: nodeSessionKey(loadOrCreateSeedFile(seedFile).seed),
  env: {},
  log: SILENT_LOG,
  onNotice: () => undefined,
} as const;

/** Orders written in one go, so that some always wait when a kill comes. */
const BURST = 10;
const KEYS = ["a", "b", "c"].map((key) => `${kind}-${index}-${key}`);

await (role === "ledger" ? runLedger() : runShop());

async function runShop(): Promise<void> {
  const service = await TrellisService.connect({ contract: shop, ...connection });
  await service.start();
  const books = await openBooks(kind, where, service.kv.books);
  const limits = { leaseMs: 2_000, pollMs: 200 };
  dispatchOutbox({ repository: books.repository, service, limits });
  let stop = false;
  answer(books, () => (stop = true));
  process.send?.("ready");
  while (!stop) {
    for (let order = 0; order < BURST; order += 1)
      for (const key of KEYS) await books.order(key, (n) => orThrow(service.event.shop.ordered.prepare({ key, n })));
    process.send?.("busy");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.send?.("stopped");
}

async function runLedger(): Promise<void> {
  const service = await TrellisService.connect({ contract: ledger, ...connection });
  const books = await openBooks(kind, where, service.kv.books);
  service.handle.events.entries((context) => {
    process.send?.("busy");
    return books.count(context);
  });
  await service.start();
  answer(books, () => undefined);
  process.send?.("ready");
}

function answer(books: Books, stop: () => void): void {
  process.on("message", (question) => {
    if (question === "stop") stop();
    else
      void Promise.all([books.totals(), books.repository.status()]).then(([totals, { waiting }]) =>
        process.send?.({ totals, waiting }),
      );
  });
}
