/** Everything of a list that comes in pages; smaller ones where an item may be large. */
export async function everyPage<T>(
  read: (from: { readonly cursor?: string; readonly limit: number }) => Promise<{
    readonly items: readonly T[];
    readonly nextCursor: string | undefined;
  }>,
  limit = 500,
): Promise<readonly T[]> {
  const found: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await read({ limit, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}
