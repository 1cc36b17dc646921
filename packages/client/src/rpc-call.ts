import type { TrellisError } from "@trellis/contracts";
import { AuthError, decodeError, isErrorReply, LIMITS, TransportError, ValidationError } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { startClientSpan } from "@trellis/telemetry";
import type { CallableRpc } from "./callable-rpc.ts";
import type { Link, LinkMessage } from "./link.ts";
import { notGranted } from "./not-granted.ts";
import type { UseFacts } from "./not-granted.ts";
import { pause } from "./reconnect-delay.ts";
import type { RequestSigner } from "./request-signer.ts";

/** How one call is made. */
export interface CallOptions {
  /** How long to wait for the answer; 5 s unless said otherwise, 5 minutes at most. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What calls travel on; a `Session` fits. */
export interface CallTransport extends UseFacts {
  readonly link: Link;
  readonly signer: RequestSigner;
  /** Corrects the clock, so that a refused time of signing can be mended. */
  refresh?(): Promise<void>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** What the JSON of an answer says. */
export type ReadAnswer<T> = (rpc: CallableRpc, json: unknown) => Result<T, TrellisError>;

/** Makes one call: checks the input, signs, asks, and checks what came back. Never rejects for an expected failure. */
export function callRpc(
  transport: CallTransport,
  rpc: CallableRpc,
  input: unknown,
  options?: CallOptions,
): Promise<Result<unknown, TrellisError>> {
  return callAndRead(transport, rpc, input, options, checkOutput);
}

/** The same for an answer that is more than its output. */
export async function callAndRead<T>(
  transport: CallTransport,
  rpc: CallableRpc,
  input: unknown,
  options: CallOptions = {},
  read: ReadAnswer<T>,
): Promise<Result<T, TrellisError>> {
  const payload = encodeInput(rpc, input);
  if (!payload.ok) return payload;
  const timeoutMs = Math.min(options.timeoutMs ?? LIMITS.defaultDeadlineMs, LIMITS.maxDeadlineMs);
  const endsAt = performance.now() + timeoutMs;
  const lastTryAt = endsAt - timeoutMs * LAST_TRY_PART;
  let clockMended = false;
  for (let pauseMs = FIRST_PAUSE_MS; ;) {
    const answer = await askOnce(transport, rpc, payload.value, endsAt, options.signal, read);
    if (answer.ok) return answer;
    if (refusedForItsTime(answer.error) && transport.refresh !== undefined && !clockMended) {
      // Refused unread, because our clock had drifted: once it is right, the same question is worth a new signature.
      clockMended = true;
      await transport.refresh();
    } else if (
      refusedForNow(answer.error) &&
      performance.now() + pauseMs < lastTryAt &&
      options.signal?.aborted !== true
    ) {
      // Refused unread as well: a replica that has just started, or cannot reach the control plane yet.
      await pause(pauseMs, options.signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    } else return answer;
  }
}

/** The last try has this part of the time for its answer: better the refusal there is than a try that times out. */
const LAST_TRY_PART = 0.1;
/** Between two tries of a call that was refused unread. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

function refusedForItsTime(error: TrellisError): boolean {
  return error instanceof AuthError && error.reason === "iat_out_of_range";
}

function refusedForNow(error: TrellisError): boolean {
  return error instanceof TransportError && error.code === "retry_later";
}

async function askOnce<T>(
  transport: CallTransport,
  rpc: CallableRpc,
  payload: Uint8Array,
  endsAt: number,
  signal: AbortSignal | undefined,
  read: ReadAnswer<T>,
): Promise<Result<T, TrellisError>> {
  const timeoutMs = Math.max(1, endsAt - performance.now());
  const headers = transport.signer.sign(rpc.subject, payload, timeoutMs);
  const span = startClientSpan(
    { name: rpc.name, surface: rpc.surface, ...(rpc.contractId === undefined ? {} : { contractId: rpc.contractId }) },
    headers,
  );
  let result: Result<T, TrellisError>;
  try {
    const answer = await transport.link.request(rpc.subject, payload, {
      headers,
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    result = readAnswer(rpc, answer, read);
  } catch (error) {
    result = err(asCallError(transport, rpc, error));
  }
  span.end(result.ok ? undefined : result.error);
  return result;
}

function encodeInput(rpc: CallableRpc, input: unknown): Result<Uint8Array, ValidationError> {
  if (!rpc.input.check(input)) {
    return err(new ValidationError(rpc.input.errors(input), { message: describeInput(rpc, input) }));
  }
  try {
    return ok(encoder.encode(JSON.stringify(input)));
  } catch (error) {
    const message = error instanceof Error ? error.message : "it cannot be written as JSON";
    return err(new ValidationError([{ path: "", message }]));
  }
}

function readAnswer<T>(rpc: CallableRpc, answer: LinkMessage, read: ReadAnswer<T>): Result<T, TrellisError> {
  const { headers, data } = answer;
  if (headers !== undefined && isErrorReply(headers)) return err(decodeError(data, rpc.errors));
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(data));
  } catch {
    return err(new TransportError("invalid_reply", { message: `The answer of ${rpc.name} is not JSON.` }));
  }
  return read(rpc, json);
}

/** What a call answers has to be what its contract says. */
export function checkOutput(rpc: CallableRpc, output: unknown): Result<unknown, TrellisError> {
  if (rpc.output.check(output)) return ok(output);
  const [issue] = rpc.output.errors(output);
  const where =
    issue === undefined ? "" : ` (${issue.path === "" ? "the whole answer" : issue.path}: ${issue.message})`;
  return err(
    new TransportError("invalid_reply", {
      message: `The answer of ${rpc.name} is not what its contract says${where}.`,
    }),
  );
}

/** An answer that is not what the protocol says. */
export function unreadableAnswer(rpc: CallableRpc): TransportError {
  return new TransportError("invalid_reply", { message: `The answer of ${rpc.name} hands out no file.` });
}

/** What stopped a call before its answer; a bug of ours passes through. */
function asCallError(transport: CallTransport, rpc: CallableRpc, error: unknown): TrellisError {
  if (error instanceof TransportError && error.code === "permission_denied") {
    return notGranted({ ...rpc, selection: rpc.surface === "rpc" ? "rpc.call" : "operations.call" }, transport);
  }
  if (error instanceof TransportError && error.code === "no_responders") {
    return new TransportError("no_responders", {
      message: `Nobody serves ${rpc.name} (${rpc.subject}) at the moment.`,
    });
  }
  if (error instanceof TransportError && error.code === "timeout") {
    return new TransportError("timeout", { message: `${rpc.name}: ${error.message}` });
  }
  if (error instanceof TransportError || error instanceof AuthError) return error;
  throw error;
}

function describeInput(rpc: CallableRpc, input: unknown): string {
  const [issue] = rpc.input.errors(input);
  const where = issue === undefined || issue.path === "" ? "the input" : issue.path;
  const what =
    input === undefined ? "there is none; pass {} when it has no members" : (issue?.message ?? "does not match");
  return `The input of ${rpc.name} does not match its contract: ${where}: ${what}.`;
}
