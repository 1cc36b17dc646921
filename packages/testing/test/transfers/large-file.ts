import { expect } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { spawnLibrary, spawnSender } from "./kit/libraries.ts";
import { mostMemory } from "./kit/memory.ts";

/** Above what Node itself, the windows and what is not collected yet take; less than Node and 200 MiB of file. */
const MOST_MIB = 280;

/** Sends a file through a service and back, and looks at the memory of both ends. */
export async function moveLargeFile(mebibytes: number, withinMs: number): Promise<void> {
  await using platform = await startPlatform();
  await using library = await spawnLibrary(platform);
  const bytes = mebibytes * 2 ** 20 + 1;
  await using sender = spawnSender(platform, bytes, "large");
  const [, sent = ""] = await sender.said(new RegExp(`uploaded ${bytes} (\\S+)`), withinMs);
  await sender.said(new RegExp(`shelved ${bytes}`), withinMs);
  const [, received] = await sender.said(new RegExp(`downloaded ${bytes} (\\S+)`), withinMs);
  expect(received).toBe(sent);
  expect((await sender.exited).code).toBe(0);
  const memory = { sender: mostMemory(sender.output), library: mostMemory(library.output) };
  expect(Math.min(memory.sender, memory.library)).toBeGreaterThan(0);
  expect(Math.max(memory.sender, memory.library), JSON.stringify(memory)).toBeLessThan(MOST_MIB);
}
