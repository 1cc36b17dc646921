/** Whether two JSON values are the same value; the order of members does not matter. */
export function jsonEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => jsonEqual(item, b[index]));
  }
  if (Array.isArray(b)) return false;
  const members = Object.entries(a);
  if (members.length !== Object.keys(b).length) return false;
  const others = new Map<string, unknown>(Object.entries(b));
  return members.every(([key, member]) => others.has(key) && jsonEqual(member, others.get(key)));
}

/** A text that two JSON values share exactly when they are equal; cheaper than comparing every pair. */
export function jsonKey(value: unknown): string {
  if (typeof value !== "object" || value === null)
    return Object.is(value, -0) ? "0" : (JSON.stringify(value) ?? "null");
  if (Array.isArray(value)) return `[${value.map(jsonKey).join(",")}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${jsonKey(member)}`).join(",")}}`;
}
