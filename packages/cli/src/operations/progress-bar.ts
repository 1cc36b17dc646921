const WIDTH = 24;

/** A bar with its share in words: `█████░░░░░ 50 %`. */
export function progressBar(done: number, total: number): string {
  const share = total > 0 ? Math.min(1, Math.max(0, done / total)) : 1;
  const full = Math.round(share * WIDTH);
  return `${"█".repeat(full)}${"░".repeat(WIDTH - full)} ${Math.floor(share * 100)} %`;
}

/** The bar of what an operation reports, where it looks like a share: `{percent}`, `{done, total}`, or a number up to 1. */
export function barOf(progress: unknown): string | undefined {
  if (typeof progress === "number") return progress >= 0 && progress <= 1 ? progressBar(progress, 1) : undefined;
  if (typeof progress !== "object" || progress === null) return undefined;
  if ("percent" in progress && typeof progress.percent === "number") return progressBar(progress.percent, 100);
  if (!("done" in progress && "total" in progress)) return undefined;
  const { done, total } = progress;
  return typeof done === "number" && typeof total === "number" ? progressBar(done, total) : undefined;
}
