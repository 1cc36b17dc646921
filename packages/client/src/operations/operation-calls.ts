import { isName } from "@trellis/contracts";
import type { Json, TrellisError } from "@trellis/contracts";
import {
  decodeErrorBody,
  deploymentOfOperation,
  isOperationSnapshot,
  isOver,
  LIMITS,
  OperationError,
  parseTransferGrant,
  randomToken,
  TransportError,
  ValidationError,
} from "@trellis/protocol";
import type { OperationControl, OperationSnapshot, OperationStart, TransferGrant } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { pause, reconnectDelayMs } from "../reconnect-delay.ts";
import { callRpc } from "../rpc-call.ts";
import type { CallOptions, CallTransport } from "../rpc-call.ts";
import type { CallableOperation } from "./callable-operations.ts";
import type { RunOptions, StartOptions, WaitOptions } from "./operation-types.ts";

/** What is asked about operations and answered once. None of these rejects for an expected failure. */

/** Names the tries of one question, so that they are one. */
const TOKEN_CHARACTERS = 22;
/** How long one request waits, again and again: short at first, for many operations are; a replica that dies costs one of them. */
const WINDOWS_MS = [5_000, 10_000, 20_000];
/** One try of a question that may be asked again. */
const TRY_MS = 4_000;
/** One try of a run. A replica that dies with it costs so much; most operations are over long before. */
const RUN_TRY_MS = 5_000;
/** Then nobody has accepted it for so long that nobody will. */
const ACCEPTED_WITHIN_MS = 15_000;
/** Better the refusal there is than a try that times out. */
const SHORTEST_TRY_MS = 500;
/** Between two requests that were answered too soon. */
const SOON_MS = 200;

/** One operation as it is asked about: its id, and the deployment that has it. */
export interface OperationPlace {
  readonly id: string;
  readonly service: string;
}

export interface Accepted extends OperationPlace {
  readonly created: boolean;
  readonly snapshot: OperationSnapshot;
  /** Of an operation that takes a file and waits for it. */
  readonly transfer?: TransferGrant;
}

export async function startOperation(
  transport: CallTransport,
  operation: CallableOperation,
  input: unknown,
  { key, deadlineMs, service, ...options }: StartOptions = {},
): Promise<Result<Accepted, TrellisError>> {
  if (!operation.input.check(input)) return err(inputError(operation, input));
  const body = startBody(input, key, deadlineMs);
  const asked = operation.start(checkedDeployment(service));
  const answer = await insistently(options, (each) => callRpc(transport, asked, body, each));
  return answer.ok ? readAccepted(operation, answer.value) : answer;
}

/** Starts it and waits for its end in one request; what takes longer is waited for like any other. */
export async function runOperation(
  transport: CallTransport,
  operation: CallableOperation,
  input: unknown,
  { key, deadlineMs, service, timeoutMs = Number.POSITIVE_INFINITY, signal }: RunOptions = {},
): Promise<Result<unknown, TrellisError>> {
  if (!operation.input.check(input)) return err(inputError(operation, input));
  const body = startBody(input, key, deadlineMs);
  const asked = operation.run(checkedDeployment(service));
  const begunAt = performance.now();
  const endsAt = begunAt + timeoutMs;
  const given = signal === undefined ? {} : { signal };
  for (let tries = 0; ; tries += 1) {
    const leftMs = endsAt - performance.now();
    if (leftMs <= 0) return err(waitedTooLong(operation, timeoutMs));
    const tryMs = Math.min(RUN_TRY_MS, leftMs);
    const answer = await callRpc(transport, asked, body, { timeoutMs: tryMs, ...given });
    if (answer.ok) {
      const accepted = readAccepted(operation, answer.value);
      if (!accepted.ok) return accepted;
      const { snapshot } = accepted.value;
      if (isOver(snapshot.state)) return outcomeOf(operation, snapshot);
      return waitUntilOver(transport, operation, accepted.value, { timeoutMs, ...given }, endsAt);
    }
    if (!isPassing(answer.error) || performance.now() - begunAt >= ACCEPTED_WITHIN_MS) return answer;
    if (!(await pause(reconnectDelayMs(tries), signal))) return err(new TransportError("cancelled"));
  }
}

function checkedDeployment(service: string | undefined): string | undefined {
  if (service === undefined || isName("deployment", service)) return service;
  throw new RangeError(
    `"${service.slice(0, 80)}" cannot be the name of a deployment. \`trellis svc list\` names those there are.`,
  );
}

function startBody(input: unknown, key: string | undefined, deadlineMs: number | undefined): OperationStart {
  return {
    // Checked against the schema by whoever calls this, so it is JSON.
    input: input as Json,
    ...(key === undefined ? { token: randomToken(TOKEN_CHARACTERS) } : { key }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  };
}

function readAccepted(operation: CallableOperation, answer: unknown): Result<Accepted, TrellisError> {
  if (!isObject(answer) || !isOperationSnapshot(answer.snapshot)) return err(unreadable(operation));
  const { created, snapshot, transfer } = answer;
  const grant = parseTransferGrant(transfer);
  const place = placeOf(snapshot.id);
  if (place === undefined) return err(unreadable(operation));
  return ok({
    ...place,
    created: created === true,
    snapshot,
    ...(grant?.direction === "send" ? { transfer: grant } : {}),
  });
}

/** An id names the deployment that has the operation; `undefined` when it is no id. */
export function placeOf(id: string): OperationPlace | undefined {
  const service = deploymentOfOperation(id);
  return service === undefined ? undefined : { id, service };
}

/** Asks for one control action; the answer holds a snapshot. */
export async function controlOperation(
  transport: CallTransport,
  operation: CallableOperation,
  action: "get" | "wait" | "cancel" | "signal",
  { id, service }: OperationPlace,
  more: Omit<OperationControl, "operationId">,
  options: CallOptions = {},
): Promise<Result<{ readonly snapshot: OperationSnapshot; readonly signalSequence: number }, TrellisError>> {
  const asked = operation.action(action, service);
  const body: OperationControl = { operationId: id, ...more };
  const ask = (each: CallOptions): Promise<Result<unknown, TrellisError>> => callRpc(transport, asked, body, each);
  const answer = await (action === "wait" ? ask(options) : insistently(options, ask));
  if (!answer.ok) return answer;
  if (!isObject(answer.value) || !isOperationSnapshot(answer.value.snapshot)) return err(unreadable(operation));
  const { snapshot, signalSequence } = answer.value;
  return ok({ snapshot, signalSequence: typeof signalSequence === "number" ? signalSequence : 0 });
}

/** Asks until the operation is over. */
export function waitForOperation(
  transport: CallTransport,
  operation: CallableOperation,
  place: OperationPlace,
  options: WaitOptions = {},
): Promise<Result<unknown, TrellisError>> {
  const { timeoutMs = Number.POSITIVE_INFINITY } = options;
  return waitUntilOver(transport, operation, place, options, performance.now() + timeoutMs);
}

/** The same for who has waited a part of its time already. */
async function waitUntilOver(
  transport: CallTransport,
  operation: CallableOperation,
  place: OperationPlace,
  { timeoutMs = Number.POSITIVE_INFINITY, signal }: WaitOptions,
  endsAt: number,
): Promise<Result<unknown, TrellisError>> {
  let failures = 0;
  for (let asked = 0; ; asked += 1) {
    const askedAt = performance.now();
    const leftMs = endsAt - askedAt;
    if (leftMs <= 0) return err(waitedTooLong(operation, timeoutMs));
    const windowMs = Math.min(WINDOWS_MS[asked] ?? WINDOWS_MS.at(-1) ?? 0, Math.max(leftMs, 1));
    const answer = await controlOperation(
      transport,
      operation,
      "wait",
      place,
      { includeProgress: false },
      { timeoutMs: windowMs, ...(signal === undefined ? {} : { signal }) },
    );
    if (answer.ok && isOver(answer.value.snapshot.state)) return outcomeOf(operation, answer.value.snapshot);
    if (!answer.ok && !isPassing(answer.error)) return answer;
    if (signal?.aborted === true) return err(new TransportError("cancelled"));
    failures = answer.ok ? 0 : failures + 1;
    // A replica that stops answers at once, and one that is gone not at all.
    const restMs = answer.ok ? SOON_MS : reconnectDelayMs(failures);
    if (performance.now() - askedAt < windowMs / 2)
      await pause(Math.min(restMs, Math.max(1, endsAt - performance.now())), signal);
  }
}

/** What an operation that is over has come to. */
export function outcomeOf(operation: CallableOperation, snapshot: OperationSnapshot): Result<unknown, TrellisError> {
  const { state, output, error, id } = snapshot;
  if (state === "cancelled") return err(new OperationError("cancelled", id));
  if (error !== undefined) return err(decodeErrorBody(error, operation.errors));
  if (operation.output.check(output)) return ok(output);
  const [issue] = operation.output.errors(output);
  return err(
    new TransportError("invalid_reply", {
      message: `The output of ${operation.name} is not what its contract says (${issue?.path ?? ""}: ${issue?.message ?? "it does not match"}).`,
    }),
  );
}

/** Asks again while that may help, within the time of the question: its token or key makes the tries one. */
async function insistently(
  { timeoutMs = LIMITS.defaultDeadlineMs, signal }: CallOptions,
  ask: (options: CallOptions) => Promise<Result<unknown, TrellisError>>,
): Promise<Result<unknown, TrellisError>> {
  const endsAt = performance.now() + timeoutMs;
  for (let tries = 0; ; tries += 1) {
    // A replica that dies with the question in hand answers nothing.
    const tryMs = Math.max(1, Math.min(TRY_MS, endsAt - performance.now()));
    const answer = await ask({ timeoutMs: tryMs, ...(signal === undefined ? {} : { signal }) });
    if (answer.ok || !isPassing(answer.error) || signal?.aborted === true) return answer;
    const restMs = reconnectDelayMs(tries);
    if (performance.now() + restMs + SHORTEST_TRY_MS >= endsAt) return answer;
    await pause(restMs, signal);
  }
}

export function isPassing(error: Error): boolean {
  return error instanceof TransportError && error.retryable;
}

function inputError({ name, input: schema }: CallableOperation, input: unknown): ValidationError {
  const issues = schema.errors(input);
  const [issue] = issues;
  const where = issue === undefined || issue.path === "" ? "the input" : issue.path;
  const what =
    input === undefined ? "there is none; pass {} when it has no members" : (issue?.message ?? "does not match");
  return new ValidationError(issues, {
    message: `The input of ${name} does not match its contract: ${where}: ${what}.`,
  });
}

function waitedTooLong({ name }: CallableOperation, timeoutMs: number): TransportError {
  return new TransportError("timeout", {
    message: `${name} was not over after ${Math.round(timeoutMs)} ms. It goes on.`,
    hint: "Wait for it again, or watch it.",
  });
}

function unreadable({ name }: CallableOperation): TransportError {
  return new TransportError("invalid_reply", {
    message: `What answered for ${name} is not what an operation answers.`,
  });
}

function isObject(value: unknown): value is { readonly [member: string]: unknown } {
  return typeof value === "object" && value !== null;
}
