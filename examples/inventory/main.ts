import { err, ok } from "@trellis/result";
import { fromStore, TrellisService } from "@trellis/server/node";
import { changeItem } from "./change-item.ts";
import contract, { NotEnough } from "./contract.ts";
import { readSheet, sheetOf } from "./sheet.ts";

const service = await TrellisService.connect({ contract, name: "inventory" });
const { items } = service.kv;
const { sheets } = service.store;

service.handle.rpc.stock.deliver(async ({ input }) => {
  const { sku, name, count } = input;
  return ok(await changeItem(items, sku, (item) => ({ sku, name, count: (item?.count ?? 0) + count })).orThrow());
});

service.handle.rpc.stock.take(async ({ input }) => {
  const { sku, count } = input;
  let left = 0;
  const taken = await changeItem(items, sku, (item) => {
    left = item?.count ?? 0;
    return item !== undefined && left >= count ? { ...item, count: left - count } : undefined;
  }).orThrow();
  return taken === undefined ? err(new NotEnough({ sku, left })) : ok(taken);
});

service.handle.rpc.stock.list(async () => ok({ items: (await items.entries().orThrow()).map(({ value }) => value) }));

service.handle.rpc.stock.sheet(async () => {
  const { name } = await sheets.put("today.csv", sheetOf(items), { contentType: "text/csv" }).orThrow();
  return ok({ output: { name }, source: await fromStore(sheets, name).orThrow() });
});

service.handle.operation.stock.count(async ({ upload }) => {
  const counted = await readSheet(await sheets.get(upload.name).orThrow());
  for (const item of counted) await changeItem(items, item.sku, () => item).orThrow();
  return ok({ items: counted.length });
});

// Whoever changes the stock, on whatever replica: this one hears of it.
const watching = new AbortController();
const watch = (async () => {
  for await (const change of items.watch(">", { signal: watching.signal, initial: false }))
    if (change.type === "put" && change.value.count === 0) console.error(`${change.value.name} has run out`);
})();

await service.run();
watching.abort();
await watch;
