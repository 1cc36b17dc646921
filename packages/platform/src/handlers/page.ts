/** Which part of a list is asked for. */
export interface PageRequest {
  readonly cursor?: string;
  readonly limit?: number;
}

/** As many as a screen shows; whoever wants more says so, up to what the contract allows. */
export const DEFAULT_LIMIT = 100;

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

/**
 * What is put into one answer: NATS carries 1 MiB where nobody gave it more, and one entry may be long by itself, such as
 * a contract that ten thousand deployments implement.
 */
const ANSWER_BYTES = 256 * 1024;

/** The first of them, as many as fit into one answer, and at least one, however long. */
export function fitting<T, V>(items: Iterable<T>, view: (item: T) => V): V[] {
  const shown: V[] = [];
  let bytes = 0;
  for (const item of items) {
    const each = view(item);
    bytes += Buffer.byteLength(JSON.stringify(each));
    if (shown.length > 0 && bytes > ANSWER_BYTES) break;
    shown.push(each);
  }
  return shown;
}

/** A page of as many as fit into one answer, or of fewer where somebody asks for fewer. */
export function fittingPage<T, V>(
  items: Iterable<T>,
  keyOf: (item: T) => string,
  view: (item: T) => V,
  request: PageRequest,
): { readonly items: V[]; readonly nextCursor?: string } {
  const wanted = page(items, keyOf, { limit: Number.POSITIVE_INFINITY, ...request });
  const shown = fitting(wanted.items, view);
  const last = wanted.items[shown.length - 1];
  if (shown.length < wanted.items.length && last !== undefined) return { items: shown, nextCursor: keyOf(last) };
  return { items: shown, ...(wanted.nextCursor === undefined ? {} : { nextCursor: wanted.nextCursor }) };
}
