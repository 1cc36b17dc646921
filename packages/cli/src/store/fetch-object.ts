import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import type { CommandContext } from "../command.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import type { Operator } from "../platform-client/connect-operator.ts";
import { byteText } from "../quantities.ts";

export interface ObjectRef {
  readonly deployment: string;
  readonly store: string;
  readonly name: string;
}

/** Pieces on their way at once: hides the way there and back, and is a few megabytes at most. */
const AHEAD = 6;
const PIECE_TIMEOUT_MS = 30_000;

/** Fetches an object piece by piece into a file beside its place, and moves it there when size and digest are right. */
export async function fetchObject(
  { cwd, terminal, signal }: CommandContext,
  operator: Operator,
  ref: ObjectRef,
  out: string | undefined,
) {
  const object = await answerOf(operator.rpc.trellis.storeInfo(ref));
  const file = resolve(cwd, out ?? basename(ref.name));
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${randomBytes(4).toString("hex")}.part`;
  const { PIECE_BYTES } = await import("@trellis/sdk");
  const hash = createHash("sha256");
  const handle = await open(draft, "wx");
  try {
    await terminal.during(`Fetching ${ref.name}…`, async (say) => {
      const ask = (start: number) =>
        answerOf(
          operator.rpc.trellis.storeRead(
            { ...ref, digest: object.digest, start },
            { timeoutMs: PIECE_TIMEOUT_MS, signal },
          ),
        ).catch((error: unknown) => ({ error }));
      const flying: ReturnType<typeof ask>[] = [];
      let asked = 0;
      for (let written = 0; written < object.size;) {
        for (; flying.length < AHEAD && asked < object.size; asked += PIECE_BYTES) flying.push(ask(asked));
        const piece = await flying.shift();
        if (piece === undefined) break;
        if ("error" in piece) throw piece.error;
        const bytes = Buffer.from(piece.data, "base64");
        if (bytes.length === 0) break;
        hash.update(bytes);
        await handle.write(bytes);
        written += bytes.length;
        say(`Fetching ${ref.name}: ${byteText(written)} of ${byteText(object.size)}`);
      }
    });
    const digest = `SHA-256=${withPadding(hash.digest("base64url"))}`;
    if (digest !== object.digest) {
      throw new CliFailure({
        code: "corrupt",
        what: `what arrived of ${ref.name} is not what was stored`,
        why: [`its digest is ${digest}, and should be ${object.digest}`],
        next: ["fetch it again; if it stays so, the stored object is damaged"],
      });
    }
    await handle.close();
    await rename(draft, file);
    return { ...object, file };
  } finally {
    await handle.close().catch(() => undefined);
    await rm(draft, { force: true });
  }
}

/** Object stores write digests with padding. */
export function withPadding(text: string): string {
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}
