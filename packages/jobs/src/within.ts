/** Waits for something, but no longer than this; says whether it came. */
export function within(ms: number, what: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    const done = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    what.then(done, done);
  });
}
