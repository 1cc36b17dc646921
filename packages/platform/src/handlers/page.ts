/** Which part of a list is asked for. */
export interface PageRequest {
  readonly cursor?: string;
  readonly limit?: number;
}

/** As many as a screen shows; whoever wants more says so, up to what the contract allows. */
const DEFAULT_LIMIT = 100;

/** One page in key order; the cursor is the last key of the page before, so changes in between skip and repeat nothing. */
export function page<T>(
  items: Iterable<T>,
  keyOf: (item: T) => string,
  request: PageRequest,
  order: "ascending" | "descending" = "ascending",
): { readonly items: readonly T[]; readonly nextCursor?: string } {
  const { cursor, limit = DEFAULT_LIMIT } = request;
  const sign = order === "ascending" ? 1 : -1;
  const compare = (a: string, b: string): number => (a < b ? -sign : a > b ? sign : 0);
  const rest = [...items]
    .filter((item) => cursor === undefined || compare(keyOf(item), cursor) > 0)
    .sort((a, b) => compare(keyOf(a), keyOf(b)));
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown, ...(rest.length > limit && last !== undefined ? { nextCursor: keyOf(last) } : {}) };
}
