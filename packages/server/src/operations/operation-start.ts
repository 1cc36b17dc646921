import { MsgHdrsImpl } from "@nats-io/nats-core";
import { encodeBase64url } from "@trellis/contracts";
import { isOver, portableSha256, randomToken, TransportError } from "@trellis/protocol";
import type { OperationAccepted, OperationSnapshot, OperationStart } from "@trellis/protocol";
import { startClientSpan } from "@trellis/telemetry";
import type { HandlerContext } from "../handlers.ts";
import type { ActionParts } from "./action-parts.ts";
import { orNoRoom } from "./no-room.ts";
import { followToEnd } from "./operation-end.ts";
import type { OperationFacts } from "./operation-facts.ts";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import { standingOf } from "./operation-standing.ts";
import type { Standing } from "./operation-standing.ts";

const ID_CHARACTERS = 22;
const encoder = new TextEncoder();

/** Answered as soon as the operation is stored. */
export function startOperation(
  facts: OperationFacts,
  parts: ActionParts,
  context: HandlerContext<unknown>,
): Promise<OperationAccepted> {
  return accept(facts, parts, context, nameFor(facts, parts, context));
}

/**
 * Answered when it is over, or when the caller's time is: a start and a wait in one request. Its end is listened for before
 * it is stored, so one that was just created need not be looked at.
 */
export async function runOperation(
  facts: OperationFacts,
  parts: ActionParts,
  context: HandlerContext<unknown>,
): Promise<OperationAccepted> {
  const name = nameFor(facts, parts, context);
  using end = followToEnd(parts, name, context.remainingMs);
  const accepted = await accept(facts, parts, context, name);
  if (isOver(accepted.snapshot.state)) return accepted;
  return { ...accepted, snapshot: (await end.snapshot) ?? accepted.snapshot };
}

/** What one principal starts with one key is one operation, and so are the tries of one start. */
function nameFor(
  { name }: OperationFacts,
  { service }: ActionParts,
  { input: asked, caller }: HandlerContext<unknown>,
): OperationName {
  const { key, token = randomToken(ID_CHARACTERS) } = asked as OperationStart;
  const what = key === undefined ? `token ${token}` : `key ${key}`;
  return { operation: name, id: operationId(service, caller.id, name, what) };
}

/** Accepts an operation: answered only after its record is stored. */
async function accept(
  facts: OperationFacts,
  { journal, service, contractId, digest, nowMs, uploads }: ActionParts,
  { input: asked, caller, signal }: HandlerContext<unknown>,
  name: OperationName,
): Promise<OperationAccepted> {
  // The schema has said what it is.
  const { input, key, deadlineMs = facts.defaultDeadlineMs } = asked as OperationStart;
  const { id } = name;
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
    throw unreachable(orNoRoom(error, service, "no more are accepted now"), `${facts.name} was not accepted`);
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

/** The same text for the same start, and nothing anybody else can make; who has it knows which deployment to ask. */
export function operationId(service: string, owner: string, operation: string, what: string): string {
  const hash = portableSha256(encoder.encode(JSON.stringify([owner, operation, what])));
  return `${service}_${encodeBase64url(hash).slice(0, ID_CHARACTERS)}`;
}

function traceOf(name: string, contractId: string): { readonly traceparent?: string; readonly tracestate?: string } {
  const headers = new MsgHdrsImpl();
  startClientSpan({ name, surface: "operation", contractId }, headers).end();
  const traceparent = headers.get("traceparent");
  const tracestate = headers.get("tracestate");
  return { ...(traceparent === "" ? {} : { traceparent }), ...(tracestate === "" ? {} : { tracestate }) };
}

function unreachable(error: unknown, what: string): unknown {
  if (!(error instanceof TransportError) || !error.retryable || error.code === "overloaded") return error;
  return new TransportError("retry_later", {
    message: `${what}: the stream of operations cannot be reached (${error.message})`,
    hint: "Start it again with the same key: a key starts one operation, however often it is used.",
  });
}
