/** Says the most memory the process has had, whenever that has grown by a lot. */
export function watchMemory(): void {
  let most = 0;
  setInterval(() => {
    const { rss } = process.memoryUsage();
    if (rss < most + 2 ** 22) return;
    most = rss;
    console.log(`rss ${Math.ceil(rss / 2 ** 20)} MiB`);
  }, 20).unref();
}

/** The most memory a process has said it has had, in MiB. */
export function mostMemory(output: string): number {
  return Math.max(0, ...[...output.matchAll(/rss (\d+) MiB/g)].map(([, mebibytes]) => Number(mebibytes)));
}
