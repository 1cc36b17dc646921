/** The first retry comes at once-ish, so that a blip costs nothing. */
const FIRST_DELAY_MS = 50;
/** No longer than this between attempts: people wait for the end of an outage. */
const LONGEST_DELAY_MS = 5_000;

/**
 * How long to wait before attempt number `attempt` (0 first). The whole upper half is random: thousands of
 * participants of a restarted server must not come back in the same instant.
 */
export function reconnectDelayMs(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 20));
  return Math.floor(ceiling / 2 + (random() * ceiling) / 2);
}

/** Whether there is a signal and it says stop. */
export function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** Waits, or ends early when the signal aborts; says whether the wait was whole. */
export function pause(ms: number, signal?: AbortSignal): Promise<boolean> {
  if (isAborted(signal)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const done = (whole: boolean): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cut);
      resolve(whole);
    };
    const cut = (): void => done(false);
    const timer = setTimeout(() => done(true), ms);
    signal?.addEventListener("abort", cut);
  });
}
