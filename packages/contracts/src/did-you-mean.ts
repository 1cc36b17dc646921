/** The known name closest to a mistyped one, when it is close enough to be what was meant. */
export function closestName(given: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

/** `did you mean "Orders.Get"?`, or the list of what there is. */
export function suggestName(given: string, known: readonly string[], nothing: string): string {
  const closest = closestName(given, known);
  if (closest !== undefined) return `did you mean "${closest}"?`;
  if (known.length === 0) return nothing;
  const shown = [...new Set(known)].slice(0, 8).map((name) => `"${name}"`);
  return `use one of ${shown.join(", ")}${known.length > 8 ? ` and ${known.length - 8} more` : ""}`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const change = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(change, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
