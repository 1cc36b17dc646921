import type { Link } from "@trellis/client/internal";
import type { Json } from "@trellis/contracts";
import { deploymentOfOperation, OperationError, randomToken, TransportError } from "@trellis/protocol";
import type { OperationSnapshot } from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { type core, NotFound, Refused, SHOWN_VALUE_BYTES } from "@trellis/sdk";
import {
  cancelOperation,
  historyOf,
  OperationJournal,
  type OperationName,
  retryOperation,
  type Standing,
  standingOf,
} from "@trellis/server/internal";
import { recordAudit } from "../audit/audit.ts";
import type { ControlContext } from "../authority/context.ts";
import { listOperations, type ListedOperation, type ServiceOperations } from "../operations/list-operations.ts";
import { actorOf, type HandlerCaller, type HandlersOf, isoTime } from "./handler.ts";

type Names =
  "Trellis.Operations.List" | "Trellis.Operations.Get" | "Trellis.Operations.Cancel" | "Trellis.Operations.Retry";
type Refusal = InstanceType<typeof NotFound> | InstanceType<typeof Refused>;

interface Ref {
  readonly operation: string;
  readonly id: string;
}

const DEFAULT_LIMIT = 100;
/** Input, output and progress share what one answer can hold. */
const SHOWN_BYTES = SHOWN_VALUE_BYTES / 3;
const TOKEN_CHARACTERS = 22;

/** Operations of every service for operators, over the journals the services themselves write. */
export function operationHandlers(context: ControlContext, link: Link): HandlersOf<typeof core, Names> {
  const services = (only: string | undefined): readonly ServiceOperations[] =>
    [...context.tables.authorities.all()]
      .flatMap(({ value: { deployment, materialized } }) => {
        const binding = materialized?.bindings.operations;
        if (binding === undefined || (only !== undefined && only !== deployment)) return [];
        return [{ service: deployment, journal: new OperationJournal(link, deployment, binding) }];
      })
      .sort((a, b) => (a.service < b.service ? -1 : 1));

  const find = async ({ operation, id }: Ref): Promise<Result<Found, InstanceType<typeof NotFound>>> => {
    const deployment = deploymentOfOperation(id);
    for (const each of deployment === undefined ? [] : services(deployment)) {
      const standing = await standingOf(each.journal, { operation, id });
      if (standing !== undefined) return ok({ ...each, standing });
    }
    return err(new NotFound({ kind: "operation", name: `${operation} ${id}` }));
  };

  const act = async (
    ref: Ref,
    caller: HandlerCaller,
    { action, reason, run }: Action,
  ): Promise<Result<ReturnType<typeof shown>, Refusal>> => {
    const found = await find(ref);
    if (!found.ok) return found;
    const { operation, id } = ref;
    const { service, journal, standing } = found.value;
    const name = { operation, id };
    const missing = new NotFound({ kind: "operation", name: `${operation} ${id}` });
    // Recorded first: rather a record too many than one too few.
    await context.registry.transact((tx) =>
      recordAudit(tx, context.tables.outbox, {
        now: context.now(),
        actor: actorOf(caller),
        action,
        target: service,
        detail: { operation, id, ...(reason === undefined ? {} : { reason }) },
      }),
    );
    const look = async (): Promise<Standing> => {
      const now = await standingOf(journal, name);
      if (now === undefined) throw new OperationError("not_found", id);
      return now;
    };
    try {
      const snapshot = await run(journal, name, { find: look, nowMs: () => context.now() });
      return ok(shown({ owner: standing.owner, snapshot }));
    } catch (error) {
      if (error instanceof OperationError)
        return err(
          error.reason === "not_found"
            ? missing
            : new Refused({ code: "wrong_state", why: error.message, next: "Look at it: trellis operations show." }),
        );
      if (error instanceof TransportError && error.retryable)
        return err(new Refused({ code: "busy", why: error.message, next: "Look at it and try again." }));
      throw error;
    }
  };

  return {
    "Trellis.Operations.List": async ({ input: { service, operation, state, limit = DEFAULT_LIMIT, cursor } }) => {
      const filter = {
        ...(operation === undefined ? {} : { operation }),
        ...(state === undefined ? {} : { state }),
      };
      const page = await listOperations(services(service), filter, limit, cursor);
      return ok({ ...page, operations: page.operations.map(shown) });
    },
    "Trellis.Operations.Get": async ({ input }) => {
      const found = await find(input);
      if (!found.ok) return found;
      const { journal, standing } = found.value;
      const records = standing.stored === undefined ? [] : await journal.all(input);
      const origin =
        standing.stored === undefined
          ? standing.accepted.origin
          : records.findLast(({ record }) => record.origin !== undefined)?.record.origin;
      const { owner, snapshot } = standing;
      return ok({
        operation: shown({ owner, snapshot, ...(origin === undefined ? {} : { ownerName: origin.caller.name }) }),
        ...(origin === undefined ? {} : { digest: origin.digest, ...small("input", origin.input) }),
        ...small("output", snapshot.output),
        ...small("progress", snapshot.progress),
        history: historyOf(records).map((entry) => ({ ...entry, at: isoTime(entry.at) })),
      });
    },
    "Trellis.Operations.Cancel": ({ input, caller }) =>
      act(input, caller, {
        action: "operation.cancel",
        reason: input.reason,
        run: (journal, name, outside) =>
          cancelOperation(journal, name, {
            ...outside,
            reason: input.reason ?? `by ${caller.name}`,
            token: randomToken(TOKEN_CHARACTERS),
          }),
      }),
    "Trellis.Operations.Retry": ({ input, caller }) =>
      act(input, caller, { action: "operation.retry", reason: undefined, run: retryOperation }),
  };
}

interface Found extends ServiceOperations {
  readonly standing: Standing;
}

interface Action {
  readonly action: string;
  readonly reason: string | undefined;
  readonly run: (
    journal: OperationJournal,
    name: OperationName,
    outside: { readonly find: () => Promise<Standing>; readonly nowMs: () => number },
  ) => Promise<OperationSnapshot>;
}

function small(name: "input" | "output" | "progress", value: Json | undefined): { readonly [N in typeof name]?: Json } {
  return value === undefined || JSON.stringify(value).length > SHOWN_BYTES ? {} : { [name]: value };
}

function shown({ owner, ownerName, snapshot }: ListedOperation) {
  const { id, service, operation, state, attempt, acceptedAt, updatedAt, endedAt, deadlineAt, pause, error } = snapshot;
  return {
    id,
    service,
    operation,
    state,
    attempt,
    owner,
    ...(ownerName === undefined ? {} : { ownerName }),
    acceptedAt: isoTime(acceptedAt),
    updatedAt: isoTime(updatedAt),
    ...(endedAt === undefined ? {} : { endedAt: isoTime(endedAt) }),
    ...(deadlineAt === undefined ? {} : { deadlineAt: isoTime(deadlineAt) }),
    ...(pause === undefined
      ? {}
      : {
          pause: {
            for: pause.for,
            ...(pause.until === undefined ? {} : { until: isoTime(pause.until) }),
            ...(pause.reason === undefined ? {} : { reason: pause.reason }),
          },
        }),
    ...(error === undefined ? {} : { problem: { id: error.id, type: error.type, message: error.message } }),
  };
}
