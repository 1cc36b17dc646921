import { TrellisError } from "@trellis/contracts";
import { isJsonObject, parseTransferGrant } from "@trellis/protocol";
import type { Sha256Stream, TransferError, TransferGrant } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import type { CallError } from "../call-error.ts";
import type { CallableRpc } from "../callable-rpc.ts";
import { callAndRead, checkOutput, unreadableAnswer } from "../rpc-call.ts";
import type { CallOptions, CallTransport } from "../rpc-call.ts";
import { DownloadReading } from "./download-reading.ts";
import type { DownloadSource } from "./download-reading.ts";
import type { Download, DownloadOptions } from "./download-types.ts";

interface Answer {
  readonly output: unknown;
  readonly grant: TransferGrant;
}

/** Calls an RPC that hands out a file. */
export async function callDownload(
  transport: CallTransport,
  rpc: CallableRpc,
  input: unknown,
  options: CallOptions | undefined,
  newHash: () => Sha256Stream,
): Promise<Result<Download<unknown>, TrellisError>> {
  const answer = await callAndRead(transport, rpc, input, options, readAnswer);
  if (!answer.ok) return answer;
  const { output, grant } = answer.value;
  let used = false;
  const source: Omit<DownloadSource, "used"> = {
    name: rpc.name,
    grant,
    async askAgain() {
      const again = await callAndRead(transport, rpc, input, {}, readAnswer);
      return again.ok ? ok(again.value.grant) : again;
    },
  };
  const read = (readOptions?: DownloadOptions): ReadableStream<Uint8Array> => {
    const reading = new DownloadReading(transport, { ...source, used }, newHash, readOptions);
    used = true;
    return reading.stream();
  };
  return ok({
    output,
    info: grant.info ?? {},
    contentType: grant.contentType,
    metadata: grant.metadata ?? {},
    read,
    bytes: (readOptions) => new AsyncResult(gather(read(readOptions))),
  });
}

/** What a reading fails with is an error of ours; a bug passes through. */
async function gather(body: ReadableStream<Uint8Array>): Promise<Result<Uint8Array, TransferError | CallError>> {
  try {
    return ok(new Uint8Array(await new Response(body).arrayBuffer()));
  } catch (error) {
    if (isCallError(error)) return err(error);
    throw error;
  }
}

function isCallError(error: unknown): error is TransferError | CallError {
  return error instanceof TrellisError;
}

function readAnswer(rpc: CallableRpc, json: unknown): Result<Answer, TrellisError> {
  if (!isJsonObject(json)) return err(unreadableAnswer(rpc));
  const output = checkOutput(rpc, json["output"]);
  if (!output.ok) return output;
  const grant = parseTransferGrant(json["transfer"]);
  return grant?.direction === "receive" ? ok({ output: output.value, grant }) : err(unreadableAnswer(rpc));
}
