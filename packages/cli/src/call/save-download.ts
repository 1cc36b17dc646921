import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Download } from "@trellis/client";
import { TrellisError } from "@trellis/contracts";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { asFailure } from "../platform-client/as-failure.ts";
import { byteText } from "../quantities.ts";

/** Saves the file an RPC hands out beside its place, and moves it there when it is whole. */
export async function saveDownload(
  { cwd, terminal, signal }: CommandContext,
  name: string,
  download: Download<unknown>,
  output: string | undefined,
): Promise<void> {
  const { size } = download.info;
  if (output === undefined)
    throw new CliFailure({
      code: "file_unwanted",
      what: `${name} hands out a file${size === undefined ? "" : ` of ${byteText(size)}`}`,
      why: ["nothing was said about where it should go"],
      next: [`trellis call ${name} --output FILE saves it`],
      exitCode: EXIT.usage,
    });
  const file = resolve(cwd, output);
  const draft = `${file}.${randomBytes(4).toString("hex")}.part`;
  await mkdir(dirname(file), { recursive: true });
  const handle = await open(draft, "wx");
  let bytes = 0;
  try {
    await terminal.during(`Fetching ${name}…`, async (say) => {
      for await (const piece of download.read({ signal })) {
        await handle.writeFile(piece);
        bytes += piece.length;
        say(`Fetching ${name}: ${progressText(bytes, size)}`);
      }
    });
    await handle.close();
    await rename(draft, file);
  } catch (error) {
    throw error instanceof TrellisError ? asFailure(error) : error;
  } finally {
    await handle.close().catch(() => undefined);
    await rm(draft, { force: true });
  }
  const { output: answer, contentType, metadata } = download;
  terminal.answer({ output: answer, file, bytes, contentType, metadata }, () => {
    terminal.print(JSON.stringify(answer, null, 2));
    terminal.note(`${byteText(bytes)} saved in ${file}`);
  });
}

const BAR = 24;

/** A bar where the size is known, otherwise how much there is. */
export function progressText(bytes: number, total: number | undefined): string {
  if (total === undefined || total === 0) return byteText(bytes);
  const part = Math.min(1, bytes / total);
  const full = Math.round(part * BAR);
  return `${"█".repeat(full)}${"░".repeat(BAR - full)} ${Math.floor(part * 100)} % of ${byteText(total)}`;
}
