/// <reference types="node" />

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Resolves when somebody asks this process to stop. A second signal is left to Node, so that an impatient person's
 * second Ctrl-C ends the process at once.
 */
export function untilSignal(): { readonly asked: Promise<NodeJS.Signals>; forget(): void } {
  let stop = (): void => {};
  const asked = new Promise<NodeJS.Signals>((resolve) => {
    const heard = (signal: NodeJS.Signals): void => {
      stop();
      resolve(signal);
    };
    stop = () => {
      for (const signal of SIGNALS) process.off(signal, heard);
    };
    for (const signal of SIGNALS) process.on(signal, heard);
  });
  return { asked, forget: () => stop() };
}
