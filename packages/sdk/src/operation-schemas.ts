import { Type } from "typebox";

/** Shapes of `Trellis.Operations.*`. */

const Service = Type.String({ minLength: 1, maxLength: 48 });
const Operation = Type.String({ minLength: 1, maxLength: 128 });
const Id = Type.String({ pattern: "^[a-z][a-z0-9-]{0,47}_[A-Za-z0-9_-]{1,64}$" });
const State = Type.Union([
  Type.Literal("pending"),
  Type.Literal("running"),
  Type.Literal("completed"),
  Type.Literal("failed"),
  Type.Literal("cancelled"),
]);
const Problem = Type.Object({ type: Type.String(), message: Type.String(), id: Type.Optional(Type.String()) });

const OperationsListInput = Type.Object({
  service: Type.Optional(Service),
  operation: Type.Optional(Operation),
  state: Type.Optional(State),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
  cursor: Type.Optional(Type.String({ maxLength: 96 })),
});
const Entry = Type.Object({
  id: Type.String(),
  service: Type.String(),
  operation: Type.String(),
  state: State,
  /** Runs so far; going on after a rest is none. */
  attempt: Type.Integer({ minimum: 0 }),
  /** The principal it belongs to, and what it is called. */
  owner: Type.String(),
  ownerName: Type.Optional(Type.String()),
  acceptedAt: Type.String(),
  updatedAt: Type.String(),
  endedAt: Type.Optional(Type.String()),
  deadlineAt: Type.Optional(Type.String()),
  /** Why nobody runs it at the moment. */
  pause: Type.Optional(
    Type.Object({
      for: Type.Union([
        Type.Literal("time"),
        Type.Literal("signal"),
        Type.Literal("outside"),
        Type.Literal("retry"),
        Type.Literal("replica"),
        Type.Literal("upload"),
      ]),
      until: Type.Optional(Type.String()),
      reason: Type.Optional(Type.String()),
    }),
  ),
  problem: Type.Optional(Problem),
});
/** By service; of each the newest first. A page may hold fewer than asked for although there are more. */
const OperationsList = Type.Object({ operations: Type.Array(Entry), nextCursor: Type.Optional(Type.String()) });

const OperationRef = Type.Object({ operation: Operation, id: Id });
const OperationAction = Type.Object({
  operation: Operation,
  id: Id,
  reason: Type.Optional(Type.String({ maxLength: 1_000 })),
});
const OperationDetails = Type.Object({
  operation: Entry,
  /** The digest of the contract it was started under. */
  digest: Type.Optional(Type.String()),
  /** Left out, as the output and the progress are, when it is too large for one answer. */
  input: Type.Optional(Type.Unknown()),
  output: Type.Optional(Type.Unknown()),
  progress: Type.Optional(Type.Unknown()),
  /** Oldest first, without values. */
  history: Type.Array(
    Type.Object({
      kind: Type.String(),
      at: Type.String(),
      attempt: Type.Integer({ minimum: 0 }),
      name: Type.Optional(Type.String()),
      message: Type.Optional(Type.String()),
    }),
  ),
});

export const operationSchemas = {
  OperationsListInput,
  OperationsList,
  OperationRef,
  OperationAction,
  OperationDetails,
  OperationEntry: Entry,
};
