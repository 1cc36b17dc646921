import { setTimeout as wait } from "node:timers/promises";

const jammed = new Set(["grace@example.org"]);

/** Stands for a mail server; one address works only the second time. */
export async function deliver(letter: { readonly to: string }, signal: AbortSignal): Promise<void> {
  await wait(20, undefined, { signal });
  if (jammed.delete(letter.to)) throw new Error("the letter box is jammed");
}
