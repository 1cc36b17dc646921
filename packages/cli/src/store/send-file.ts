import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { answerOf } from "../platform-client/answer.ts";
import type { Operator } from "../platform-client/connect-operator.ts";
import { byteText } from "../quantities.ts";
import { withPadding } from "./fetch-object.ts";

const PIECE_TIMEOUT_MS = 30_000;
/** The platform reads the whole file once more before it shows it; this is the longest deadline a service takes. */
const FINISH_TIMEOUT_MS = 300_000;
/** A piece whose answer was lost is sent again: it is stored once. */
const ATTEMPTS = 5;

/** Sends a file piece by piece; it becomes an object when all of it arrived as it is here. */
export async function sendFile(
  { cwd, terminal, signal }: CommandContext,
  operator: Operator,
  store: { readonly deployment: string; readonly store: string },
  file: string,
  options: { readonly name?: string; readonly type?: string },
) {
  const path = resolve(cwd, file);
  await using handle = await open(path, "r").catch((error: Error) => {
    throw new CliFailure({
      code: "no_file",
      what: `${file} cannot be read`,
      why: [error.message],
      exitCode: EXIT.notFound,
    });
  });
  const stat = await handle.stat();
  if (stat.isDirectory()) {
    throw new CliFailure({
      code: "no_file",
      what: `${file} is a folder; a store holds files`,
      next: ["send what is in it one by one, or as an archive"],
      exitCode: EXIT.usage,
    });
  }
  const { size } = stat;
  const name = options.name ?? basename(path);
  const { upload, pieceBytes } = await answerOf(operator.rpc.trellis.storeUploadBegin({ ...store, name, size }));
  try {
    return await terminal.during(`Sending ${name}…`, async (say) => {
      const hash = createHash("sha256");
      let sent = 0;
      for (let index = 0; ; index += 1) {
        const { bytesRead, buffer } = await handle.read(Buffer.alloc(pieceBytes), 0, pieceBytes, sent);
        if (bytesRead === 0) break;
        const piece = buffer.subarray(0, bytesRead);
        hash.update(piece);
        await insist(() =>
          operator.rpc.trellis.storeUploadPiece(
            { ...store, upload, index, data: piece.toString("base64") },
            { timeoutMs: PIECE_TIMEOUT_MS, signal },
          ),
        );
        sent += bytesRead;
        say(`Sending ${name}: ${byteText(sent)} of ${byteText(size)}`);
      }
      say(`Checking ${name}…`);
      const digest = `SHA-256=${withPadding(hash.digest("base64url"))}`;
      const { type } = options;
      return insist(() =>
        operator.rpc.trellis.storeUploadFinish(
          { ...store, upload, size: sent, digest, ...(type === undefined ? {} : { contentType: type }) },
          { timeoutMs: FINISH_TIMEOUT_MS, signal },
        ),
      );
    });
  } catch (error) {
    // What cannot be removed now, the service's own sweep removes.
    await operator.rpc.trellis.storeUploadCancel({ ...store, upload });
    throw error;
  }
}

async function insist<T>(send: () => Parameters<typeof answerOf<T>>[0]): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await answerOf(send());
    } catch (error) {
      const passes = error instanceof CliFailure && error.exitCode === EXIT.unreachable;
      if (!passes || attempt === ATTEMPTS) throw error;
    }
  }
}
