import { compileSchema, operationControlSubject, operationRunSubject } from "@trellis/contracts";
import type { OperationAction } from "@trellis/contracts";
import { isOperationId, isOver, OperationError, randomToken, ValidationError } from "@trellis/protocol";
import type { OperationControl, OperationSignalAccepted, OperationSnapshot } from "@trellis/protocol";
import { ok } from "@trellis/result";
import { EndpointStats } from "../endpoint-stats.ts";
import type { HandlerContext } from "../handlers.ts";
import type { RpcEndpoint } from "../rpc-endpoint.ts";
import type { ActionParts } from "./action-parts.ts";
import { orNoRoom } from "./no-room.ts";
import { CONTROL_BODY } from "./operation-control-body.ts";
import { actionsOf } from "./operation-facts.ts";
import type { OperationFacts } from "./operation-facts.ts";
import type { OperationName } from "./operation-journal.ts";
import { cancelOperation } from "./operation-outside.ts";
import { standingFor, standingOf } from "./operation-standing.ts";
import type { Standing } from "./operation-standing.ts";
import { followToEnd } from "./operation-end.ts";
import { runOperation, startOperation } from "./operation-start.ts";

const DECLARED: ReadonlySet<string> = new Set(["OperationError"]);
const ANYTHING = compileSchema(true);
const ID_CHARACTERS = 22;

/**
 * `start`, `get`, `cancel` and `signal` of one operation, as requests that are answered at once. Whoever starts one may leave it
 * to NATS which deployment takes it.
 */
export function actionEndpoints(
  facts: OperationFacts,
  service: string,
  parts: () => ActionParts,
): readonly RpcEndpoint[] {
  const actions = actionsOf(facts);
  const control = (action: "get" | "cancel" | "signal", run: Action): RpcEndpoint => ({
    ...endpoint(facts, action, service),
    input: CONTROL_BODY,
    handler: async (context) => {
      try {
        return ok(await run(facts, parts(), nameOf(facts, context), context));
      } catch (error) {
        throw orNoRoom(error, parts().service, `the ${action} was not taken`);
      }
    },
  });
  const start = {
    ...endpoint(facts, "start", service),
    input: facts.start,
    handler: async (context: HandlerContext<unknown>) => ok(await startOperation(facts, parts(), context)),
  };
  return [
    start,
    { ...start, name: facts.name, subject: facts.subject, stats: new EndpointStats() },
    control("get", get),
    ...(actions.includes("cancel") ? [control("cancel", cancel)] : []),
    ...(actions.includes("signal") ? [control("signal", signalOperation)] : []),
  ];
}

/** `run` and `wait` of one operation: answered when it is over, or when the time of the one request is. */
export function waitingEndpoints(
  facts: OperationFacts,
  service: string,
  parts: () => ActionParts,
): readonly RpcEndpoint[] {
  const run = {
    ...endpoint(facts, "run", service),
    input: facts.start,
    handler: async (context: HandlerContext<unknown>) => ok(await runOperation(facts, parts(), context)),
  };
  return [
    run,
    { ...run, subject: operationRunSubject(facts.subject), stats: new EndpointStats() },
    {
      ...endpoint(facts, "wait", service),
      input: CONTROL_BODY,
      handler: async (context) => ok(await wait(parts(), nameOf(facts, context), context)),
    },
  ];
}

type Action = (
  facts: OperationFacts,
  parts: ActionParts,
  name: OperationName,
  context: HandlerContext<unknown>,
) => Promise<unknown>;

function endpoint(
  facts: OperationFacts,
  action: OperationAction,
  service: string,
): Omit<RpcEndpoint, "input" | "handler"> {
  return {
    name: `${facts.name} (${action})`,
    subject: operationControlSubject(facts.subject, action, service),
    required: facts.required[action],
    output: ANYTHING,
    once: false,
    declared: DECLARED,
    stats: new EndpointStats(),
  };
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
async function wait(parts: ActionParts, name: OperationName, context: HandlerContext<unknown>): Promise<unknown> {
  using end = followToEnd(parts, name, context.remainingMs);
  const { snapshot } = await standingFor(parts.journal, name, context.caller.id);
  const ended = isOver(snapshot.state) ? snapshot : await end.snapshot;
  return { kind: "snapshot", snapshot: shown(ended ?? snapshot, body(context)) };
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
