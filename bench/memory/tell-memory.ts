/** Says how much memory this process has whenever its parent asks; first of all that it can be asked. */
export function tellMemory(): void {
  process.on("disconnect", () => process.exit());
  process.on("message", () => {
    const { rss, heapUsed } = process.memoryUsage();
    process.send?.({ rss, heapUsed });
  });
  process.send?.("ready");
}
