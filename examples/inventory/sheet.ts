import type { Kv, StoreDownload } from "@trellis/server/node";

interface Item {
  readonly sku: string;
  readonly name: string;
  readonly count: number;
}

/** A stock sheet, line by line: however many items there are, it is never whole in memory. */
export async function* sheetOf(items: Kv<Item>): AsyncGenerator<Uint8Array> {
  const line = (...cells: unknown[]): Uint8Array => new TextEncoder().encode(`${cells.join(",")}\n`);
  yield line("sku", "name", "count");
  for (const key of await items.keys().orThrow()) {
    const entry = await items.get(key).orThrow();
    if (entry !== undefined) yield line(entry.value.sku, entry.value.name, entry.value.count);
  }
}

/** The items of a sheet that somebody has filled in. */
export async function readSheet({ body }: StoreDownload): Promise<Item[]> {
  const [, ...lines] = (await new Response(body).text()).trim().split("\n");
  return lines.map((line) => {
    const [sku = "", name = "", count] = line.split(",");
    return { sku, name, count: Number(count) };
  });
}
