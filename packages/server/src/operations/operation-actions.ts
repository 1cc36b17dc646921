import { MsgHdrsImpl } from "@nats-io/nats-core";
import { encodeBase64url, compileSchema } from "@trellis/contracts";
import {
  isOperationId,
  isOver,
  OperationError,
  portableSha256,
  randomToken,
  TransportError,
  ValidationError,
} from "@trellis/protocol";
import type {
  OperationAccepted,
  OperationControl,
  OperationSignalAccepted,
  OperationSnapshot,
  OperationStart,
} from "@trellis/protocol";
import { ok } from "@trellis/result";
import { startClientSpan } from "@trellis/telemetry";
import { EndpointStats } from "../endpoint-stats.ts";
import type { HandlerContext } from "../handlers.ts";
import { StreamRefused } from "../jetstream/stream-refused.ts";
import type { RpcEndpoint } from "../rpc-endpoint.ts";
import type { OperationChanges } from "./operation-changes.ts";
import { CONTROL_BODY, startBody } from "./operation-control-body.ts";
import { actionsOf, actionSubject } from "./operation-facts.ts";
import type { OperationFacts } from "./operation-facts.ts";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import type { Uploads } from "../transfers/uploads.ts";
import { cancelOperation } from "./operation-outside.ts";
import { standingFor, standingOf } from "./operation-standing.ts";
import type { Standing } from "./operation-standing.ts";

/** What callers may ask about operations, the same at every replica. */
export interface ActionParts {
  readonly journal: OperationJournal;
  readonly changes: OperationChanges;
  readonly service: string;
  readonly contractId: string;
  readonly digest: string;
  readonly nowMs: () => number;
  readonly uploads: Uploads;
  /** Aborts when this replica stops: who waits here asks another. */
  readonly stopping: AbortSignal;
}

const DECLARED: ReadonlySet<string> = new Set(["OperationError"]);
const ANYTHING = compileSchema(true);
/** Of a caller's own time, this much is left for the answer to reach it. */
const ANSWER_MS = 500;
const ID_CHARACTERS = 22;
const encoder = new TextEncoder();

/** `start`, `get`, `cancel` and `signal` of one operation, as requests that are answered at once. */
export function actionEndpoints(facts: OperationFacts, parts: () => ActionParts): readonly RpcEndpoint[] {
  const actions = actionsOf(facts);
  const control = (action: "get" | "cancel" | "signal", run: Action): RpcEndpoint => ({
    ...endpoint(`${facts.name} (${action})`, actionSubject(facts, action), facts.required[action]),
    input: CONTROL_BODY,
    handler: async (context) => ok(await run(facts, parts(), nameOf(facts, context), context)),
  });
  return [
    {
      ...endpoint(facts.name, facts.subject, facts.required.start),
      input: startBody(facts.inputSchema),
      handler: async (context) => ok(await start(facts, parts(), context)),
    },
    control("get", get),
    ...(actions.includes("cancel") ? [control("cancel", cancel)] : []),
    ...(actions.includes("signal") ? [control("signal", signalOperation)] : []),
  ];
}

/** `wait` of one operation: answered when it is over, or when the time of the one request is. */
export function waitEndpoint(facts: OperationFacts, parts: () => ActionParts): RpcEndpoint {
  return {
    ...endpoint(`${facts.name} (wait)`, actionSubject(facts, "wait"), facts.required.wait),
    input: CONTROL_BODY,
    handler: async (context) => ok(await wait(parts(), nameOf(facts, context), context)),
  };
}

type Action = (
  facts: OperationFacts,
  parts: ActionParts,
  name: OperationName,
  context: HandlerContext<unknown>,
) => Promise<unknown>;

function endpoint(name: string, subject: string, required: readonly string[]): Omit<RpcEndpoint, "input" | "handler"> {
  return { name, subject, required, output: ANYTHING, once: false, declared: DECLARED, stats: new EndpointStats() };
}

function body({ input }: HandlerContext<unknown>): OperationControl {
  // The schema has said what it is.
  return input as OperationControl;
}

function nameOf(facts: OperationFacts, context: HandlerContext<unknown>): OperationName {
  const id = body(context).operationId;
  if (!isOperationId(id)) throw new OperationError("not_found", id.slice(0, 80));
  return { operation: facts.name, id };
}

/**
 * Accepts an operation: answered only after its record is stored. What one principal starts with one key is one operation,
 * and so are the tries of one start.
 */
async function start(
  facts: OperationFacts,
  { journal, service, contractId, digest, nowMs, uploads }: ActionParts,
  { input: asked, caller, signal }: HandlerContext<unknown>,
): Promise<OperationAccepted> {
  const {
    input,
    key,
    token = randomToken(ID_CHARACTERS),
    deadlineMs = facts.defaultDeadlineMs,
  } = asked as OperationStart;
  const id = operationId(caller.id, facts.name, key === undefined ? `token ${token}` : `key ${key}`);
  const name = { operation: facts.name, id };
  const ref = { id, service, operation: facts.name };
  if (key !== undefined) {
    const standing = await standingOf(journal, name);
    if (standing !== undefined) return attached(journal, name, ref, standing);
  }
  const transfer = await uploads.grantFor({ operation: facts.name, ref: id, owner: caller.id, input });
  if (transfer instanceof Error) throw transfer;
  const now = Math.round(nowMs());
  const snapshot: OperationSnapshot = {
    ...ref,
    state: "pending",
    revision: 1,
    attempt: 0,
    acceptedAt: now,
    updatedAt: now,
    ...(deadlineMs === undefined ? {} : { deadlineAt: Math.round(now + deadlineMs) }),
  };
  const origin = {
    input,
    owner: caller.id,
    caller,
    digest,
    retentionMs: facts.retentionMs,
    ...(key === undefined ? {} : { key }),
    ...(transfer === undefined ? {} : { transfer }),
    ...traceOf(facts.name, contractId),
  };
  try {
    const created = await journal.accept(name, { id, accepted: { origin, snapshot } }, signal);
    const standing = created ? undefined : await standingOf(journal, name);
    if (standing !== undefined) {
      if (transfer !== undefined) void uploads.takeBack(transfer);
      return await attached(journal, name, ref, standing);
    }
    return { kind: "accepted", ref, created, snapshot, ...(transfer === undefined ? {} : { transfer }) };
  } catch (error) {
    if (transfer !== undefined) void uploads.takeBack(transfer);
    if (error instanceof StreamRefused && error.isFull)
      throw new TransportError("overloaded", {
        message: `The operations of ${service} are full: no more are accepted now.`,
      });
    throw unreachable(error, `${facts.name} was not accepted`);
  }
}

/** The operation there is already; while it waits for its file, whoever starts it again may upload that. */
async function attached(
  journal: OperationJournal,
  name: OperationName,
  ref: OperationAccepted["ref"],
  standing: Standing,
): Promise<OperationAccepted> {
  const { snapshot } = standing;
  const answer = { kind: "accepted", ref, created: false, snapshot } as const;
  if (isOver(snapshot.state)) return answer;
  const origin =
    standing.stored === undefined
      ? standing.accepted.origin
      : (await journal.all(name)).findLast(({ record }) => record.origin !== undefined)?.record.origin;
  return origin?.transfer === undefined ? answer : { ...answer, transfer: origin.transfer };
}

/** The same text for the same start, and nothing anybody else can make. */
function operationId(owner: string, operation: string, what: string): string {
  return encodeBase64url(portableSha256(encoder.encode(JSON.stringify([owner, operation, what])))).slice(
    0,
    ID_CHARACTERS,
  );
}

function traceOf(name: string, contractId: string): { readonly traceparent?: string; readonly tracestate?: string } {
  const headers = new MsgHdrsImpl();
  startClientSpan({ name, surface: "operation", contractId }, headers).end();
  const traceparent = headers.get("traceparent");
  const tracestate = headers.get("tracestate");
  return { ...(traceparent === "" ? {} : { traceparent }), ...(tracestate === "" ? {} : { tracestate }) };
}

async function get(
  _facts: OperationFacts,
  { journal }: ActionParts,
  name: OperationName,
  context: HandlerContext<unknown>,
): Promise<unknown> {
  const { snapshot } = await standingFor(journal, name, context.caller.id);
  return { kind: "snapshot", snapshot: shown(snapshot, body(context)) };
}

/** Waits as long as the caller does, less what the answer needs. */
async function wait(
  { journal, changes, stopping }: ActionParts,
  name: OperationName,
  context: HandlerContext<unknown>,
): Promise<unknown> {
  const over = Promise.withResolvers<OperationSnapshot | undefined>();
  const stop = changes.follow(name, ({ record }) => {
    if (isOver(record.snapshot.state)) over.resolve(record.snapshot);
  });
  const leave = (): void => over.resolve(undefined);
  const timer = setTimeout(leave, Math.max(0, context.remainingMs - ANSWER_MS));
  stopping.addEventListener("abort", leave, { once: true });
  try {
    const { snapshot } = await standingFor(journal, name, context.caller.id);
    if (isOver(snapshot.state) || stopping.aborted)
      return { kind: "snapshot", snapshot: shown(snapshot, body(context)) };
    const ended = await over.promise;
    return { kind: "snapshot", snapshot: shown(ended ?? snapshot, body(context)) };
  } finally {
    stop();
    clearTimeout(timer);
    stopping.removeEventListener("abort", leave);
  }
}

async function cancel(
  _facts: OperationFacts,
  { journal, nowMs }: ActionParts,
  name: OperationName,
  context: HandlerContext<unknown>,
): Promise<unknown> {
  const { reason, token = randomToken(ID_CHARACTERS) } = body(context);
  const find = (): Promise<Standing> => standingFor(journal, name, context.caller.id);
  return { kind: "snapshot", snapshot: await cancelOperation(journal, name, { find, reason, token, nowMs }) };
}

/** Answered after the signal is stored; whoever runs the operation, now or later, gets it once. */
async function signalOperation(
  facts: OperationFacts,
  { journal, nowMs }: ActionParts,
  name: OperationName,
  context: HandlerContext<unknown>,
): Promise<OperationSignalAccepted> {
  const { signal = "", input = null, token = randomToken(ID_CHARACTERS) } = body(context);
  const schema = facts.signals.get(signal);
  if (schema === undefined)
    throw new ValidationError([{ path: "/signal", message: `${facts.name} takes no signal ${signal.slice(0, 80)}.` }]);
  if (!schema.check(input)) throw new ValidationError(schema.errors(input));
  const { snapshot } = await standingFor(journal, name, context.caller.id);
  if (isOver(snapshot.state))
    throw new OperationError("over", name.id, `The operation is ${snapshot.state}; it takes no signals any more.`);
  const signalSequence = await journal.send(name, { kind: "signal", name: signal, input }, token);
  const after = await standingOf(journal, name);
  // Whoever puts an operation to rest looks into its inbox afterwards; what came later still wakes it.
  if (after?.stored?.record.kind === "parked") await journal.wake(name);
  return {
    kind: "signal-accepted",
    operationId: name.id,
    signal,
    signalSequence,
    acceptedAt: Math.round(nowMs()),
    snapshot: after?.snapshot ?? snapshot,
  };
}

function shown(snapshot: OperationSnapshot, { includeProgress = true }: OperationControl): OperationSnapshot {
  if (includeProgress || snapshot.progress === undefined) return snapshot;
  const { progress: _, ...rest } = snapshot;
  return rest;
}

function unreachable(error: unknown, what: string): unknown {
  if (!(error instanceof TransportError) || !error.retryable) return error;
  return new TransportError("retry_later", {
    message: `${what}: the stream of operations cannot be reached (${error.message})`,
    hint: "Start it again with the same key: a key starts one operation, however often it is used.",
  });
}
