import { Type } from "typebox";

const Deployment = Type.String({ maxLength: 48 });
const Group = Type.String({ maxLength: 64 });
const DeadLetterId = Type.String({ maxLength: 160 });

const EventGroupsListInput = Type.Object({
  deployment: Type.Optional(Deployment),
  cursor: Type.Optional(Type.String({ maxLength: 128 })),
  /** Without one: as many as one answer may have. */
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
});
const EventGroup = Type.Object({
  deployment: Type.String(),
  group: Type.String(),
  /** Events that wait to be delivered for the first time. */
  pending: Type.Integer({ minimum: 0 }),
  /** Delivered and neither handled nor given back for good. */
  inFlight: Type.Integer({ minimum: 0 }),
  /** Of those in flight, delivered more than once. */
  redelivered: Type.Integer({ minimum: 0 }),
  deadLetters: Type.Integer({ minimum: 0 }),
  /** When an event was last delivered. */
  lastDelivered: Type.Optional(Type.String()),
  pausedUntil: Type.Optional(Type.String()),
});
const EventGroupsList = Type.Object({
  groups: Type.Array(EventGroup),
  nextCursor: Type.Optional(Type.String()),
});
const EventGroupRef = Type.Object({ deployment: Deployment, group: Group });
const EventGroupPause = Type.Object({
  deployment: Deployment,
  group: Group,
  /** Until resumed when left out. */
  forMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 365 * 86_400_000 })),
});

const DeadLettersListInput = Type.Object({
  deployment: Type.Optional(Deployment),
  group: Type.Optional(Group),
  cursor: Type.Optional(Type.String({ maxLength: 32 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
});
const deadLetter = {
  /** `<deployment>.<group>.<place in the event stream>` */
  id: Type.String(),
  deployment: Type.String(),
  group: Type.String(),
  eventId: Type.String(),
  subject: Type.String(),
  /** When the event happened. */
  at: Type.String(),
  /** When it was given up. */
  diedAt: Type.String(),
  attempts: Type.Integer({ minimum: 0 }),
  code: Type.String(),
  reason: Type.String(),
  /** Of the payload, as far as it is kept here. */
  bytes: Type.Integer({ minimum: 0 }),
};
const DeadLetters = Type.Object({
  deadLetters: Type.Array(Type.Object(deadLetter)),
  nextCursor: Type.Optional(Type.String()),
});
const DeadLetterRef = Type.Object({ id: DeadLetterId });
/** The payload as text; it need not be JSON, which may be why it is here. */
const DeadLetter = Type.Object({
  ...deadLetter,
  payload: Type.String(),
  /** Why the payload is not shown. */
  problem: Type.Optional(Type.String()),
});
/** Some by their ids, or all of a group. */
const DeadLettersSelection = Type.Object({
  ids: Type.Optional(Type.Array(DeadLetterId, { minItems: 1, maxItems: 100 })),
  deployment: Type.Optional(Deployment),
  group: Type.Optional(Group),
  /** Of a group: none that came later, as the answer before said. Without it, those there are when this is asked. */
  through: Type.Optional(Type.Integer({ minimum: 0 })),
});
const DeadLettersDone = Type.Object({
  count: Type.Integer({ minimum: 0 }),
  /** Of a large group a part at a time: ask again, with what this says of `through`. */
  more: Type.Boolean(),
  through: Type.Optional(Type.Integer({ minimum: 0 })),
});

/** The schemas of events by their names in the core contract. */
export const eventSchemas = {
  EventGroupsListInput,
  EventGroup,
  EventGroupsList,
  EventGroupRef,
  EventGroupPause,
  DeadLettersListInput,
  DeadLetters,
  DeadLetterRef,
  DeadLetter,
  DeadLettersSelection,
  DeadLettersDone,
};
