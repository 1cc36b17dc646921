import type { Kv } from "@trellis/server/node";

/** A stock sheet, line by line: however many items there are, it is never whole in memory. */
export async function* sheetOf(items: Kv<{ sku: string; name: string; count: number }>): AsyncGenerator<Uint8Array> {
  const line = (...cells: unknown[]): Uint8Array => new TextEncoder().encode(`${cells.join(",")}\n`);
  yield line("sku", "name", "count");
  for (const key of await items.keys().orThrow()) {
    const entry = await items.get(key).orThrow();
    if (entry !== undefined) yield line(entry.value.sku, entry.value.name, entry.value.count);
  }
}
