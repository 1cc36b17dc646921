import { defineError, defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { NotFound, Refused } from "./auth.ts";

/** The entry is not at the expected revision. */
export const StateConflict = defineError({
  type: "StateConflict",
  fields: { store: Type.String(), key: Type.Optional(Type.String()), revision: Type.Integer() },
  message: ({ store, key, revision }) =>
    `${key === undefined ? `The state ${store}` : `The entry ${key} of the state ${store}`} ${
      revision === 0 ? "has no value" : `is at revision ${revision}`
    } now, not where you expected it: somebody else was faster. Read it and decide again.`,
});

/** What is stored cannot be read by this version of the contract. */
export const StateUnreadable = defineError({
  type: "StateUnreadable",
  fields: {
    store: Type.String(),
    key: Type.Optional(Type.String()),
    stateVersion: Type.String(),
    revision: Type.Integer(),
    why: Type.String(),
  },
  message: ({ store, key, why, revision }) =>
    `${key === undefined ? `The state ${store}` : `The entry ${key} of the state ${store}`} cannot be read: ${why}. ` +
    `To replace it all the same, put with expectedRevision ${revision}.`,
});

const Store = Type.String({ minLength: 1, maxLength: 64 });
/** In bytes of UTF-8 it is bounded as well. */
const Key = Type.String({ minLength: 1, maxLength: 200 });
const Prefix = Type.String({ maxLength: 200 });
const Revision = Type.Integer({ minimum: 0 });
/** A value store has one entry without a key. */
const place = { store: Store, key: Type.Optional(Key) };
const page = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
  cursor: Type.Optional(Type.String({ maxLength: 20 })),
};

const stored = {
  key: Type.Optional(Type.String()),
  revision: Type.Integer(),
  at: Type.String(),
  stateVersion: Type.String(),
};
const readable = {
  ...stored,
  value: Type.Unknown(),
  /** The value is as an older version of the contract wrote it: that of `acceptedVersions`. */
  migrationRequired: Type.Boolean(),
};
const unreadable = { ...stored, why: Type.String() };

const Place = Type.Object(place);
const GetOutput = Type.Object({ entry: Type.Optional(Type.Object(readable)) });
const PutInput = Type.Object({
  ...place,
  value: Type.Unknown(),
  /** 0: only if there is nothing yet. */
  expectedRevision: Type.Optional(Revision),
  /** Whole seconds, rounded up. */
  ttlMs: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Names this write: sent again with the same id it happens once. */
  writeId: Type.Optional(Type.String({ minLength: 16, maxLength: 64 })),
});
const Written = Type.Object({ revision: Type.Integer() });
const DeleteInput = Type.Object({ ...place, expectedRevision: Type.Optional(Revision) });
const Deleted = Type.Object({ existed: Type.Boolean() });
const ListInput = Type.Object({ store: Store, prefix: Type.Optional(Prefix), ...page });
/** In the order of the last writes. A page may hold fewer than asked for, or none, and still have a next. */
const List = Type.Object({
  entries: Type.Array(Type.Object(readable)),
  unreadable: Type.Array(Type.Object(unreadable)),
  nextCursor: Type.Optional(Type.String()),
});
const WatchInput = Type.Object({ store: Store, prefix: Type.Optional(Prefix) });
/** `begin` first, then what there is, `ready`, then changes. What is not told between begin and ready is not there. */
const Change = Type.Union([
  Type.Object({ type: Type.Literal("begin") }),
  Type.Object({ type: Type.Literal("ready") }),
  Type.Object({ type: Type.Literal("put"), ...readable }),
  Type.Object({ type: Type.Literal("unreadable"), ...unreadable }),
  Type.Object({
    type: Type.Literal("end"),
    key: Type.Optional(Type.String()),
    reason: Type.Union([
      Type.Literal("deleted"),
      Type.Literal("expired"),
      Type.Literal("purged"),
      Type.Literal("gone"),
    ]),
    revision: Type.Integer(),
    at: Type.String(),
  }),
]);

/** With a contract also the stores it declares that hold nothing yet. */
const OverviewInput = Type.Object({ contract: Type.Optional(Type.String({ minLength: 1, maxLength: 120 })) });
const Overview = Type.Object({
  stores: Type.Array(
    Type.Object({
      /** The contract's name, whatever its version. */
      contract: Type.String(),
      store: Type.String(),
      kind: Type.Union([Type.Literal("value"), Type.Literal("map")]),
      /** Entries, those included that ended in the last three minutes. */
      entries: Type.Integer(),
      /** Of the newest known contract that declares the store. */
      digest: Type.Optional(Type.String()),
    }),
  ),
});

const User = Type.String({ minLength: 1, maxLength: 128 });
const Contract = Type.String({ minLength: 1, maxLength: 120 });
const OfUser = Type.Object({ user: User });
const whose = { user: User, contract: Contract };
const kept = { ...stored, value: Type.Unknown() };
const AdminPlace = Type.Object({ ...whose, ...place });
const AdminGetOutput = Type.Object({ entry: Type.Object(kept) });
const AdminListInput = Type.Object({ ...whose, store: Store, prefix: Type.Optional(Prefix), ...page });
const AdminList = Type.Object({ entries: Type.Array(Type.Object(kept)), nextCursor: Type.Optional(Type.String()) });
const AdminDeleteInput = Type.Object({ ...whose, ...place, expectedRevision: Type.Optional(Revision) });
const AdminPurgeInput = Type.Object({
  user: User,
  /** One contract's; without it everything the user has. */
  contract: Type.Optional(Contract),
  acknowledge: Type.Optional(Type.Boolean()),
});
const AdminPurged = Type.Object({ deleted: Type.Integer(), more: Type.Boolean() });

/** `trellis.state@v1`: what apps, agents and devices remember for the person or device they act for. */
export const state = defineServiceContract(
  {
    schemas: {
      Place,
      GetOutput,
      PutInput,
      Written,
      DeleteInput,
      Deleted,
      ListInput,
      List,
      WatchInput,
      Change,
      OverviewInput,
      Overview,
      OfUser,
      AdminPlace,
      AdminGetOutput,
      AdminListInput,
      AdminList,
      AdminDeleteInput,
      AdminPurgeInput,
      AdminPurged,
    },
    errors: { NotFound, Refused, StateConflict, StateUnreadable },
  },
  (ref) => {
    const version = "v1";
    const refused = ref.error("Refused");
    const admin = { call: ["admin"] };
    const adminErrors = [ref.error("NotFound"), refused];
    return {
      id: "trellis.state@v1",
      displayName: "Trellis state",
      description: "What apps, agents and devices remember for the person or device they act for.",
      rpc: {
        "State.Get": {
          version,
          input: ref.schema("Place"),
          output: ref.schema("GetOutput"),
          errors: [refused, ref.error("StateUnreadable")],
          docs: { summary: "One entry, or nothing." },
        },
        "State.Put": {
          version,
          input: ref.schema("PutInput"),
          output: ref.schema("Written"),
          errors: [refused, ref.error("StateConflict"), ref.error("StateUnreadable")],
          docs: { summary: "Stores an entry, on a condition or whatever was there." },
        },
        "State.Delete": {
          version,
          input: ref.schema("DeleteInput"),
          output: ref.schema("Deleted"),
          errors: [refused, ref.error("StateConflict")],
          docs: { summary: "Ends an entry. Saying it again changes nothing." },
        },
        "State.List": {
          version,
          input: ref.schema("ListInput"),
          output: ref.schema("List"),
          errors: [refused],
          docs: { summary: "Entries of a map whose keys begin with a prefix, a page at a time." },
        },
        "State.Overview": {
          version,
          input: ref.schema("OverviewInput"),
          output: ref.schema("Overview"),
          docs: { summary: "Which stores of which contracts hold something for the caller." },
        },
        "State.Admin.Overview": {
          version,
          input: ref.schema("OfUser"),
          output: ref.schema("Overview"),
          errors: adminErrors,
          capabilities: admin,
          docs: { summary: "Which stores of which contracts hold something for a user." },
        },
        "State.Admin.List": {
          version,
          input: ref.schema("AdminListInput"),
          output: ref.schema("AdminList"),
          errors: adminErrors,
          capabilities: admin,
          docs: { summary: "Entries as they are stored, whatever the contracts say now." },
        },
        "State.Admin.Get": {
          version,
          input: ref.schema("AdminPlace"),
          output: ref.schema("AdminGetOutput"),
          errors: adminErrors,
          capabilities: admin,
          docs: { summary: "One entry as it is stored." },
        },
        "State.Admin.Delete": {
          version,
          input: ref.schema("AdminDeleteInput"),
          output: ref.schema("Deleted"),
          errors: [...adminErrors, ref.error("StateConflict")],
          capabilities: admin,
          docs: { summary: "Ends one entry of a user; recorded in the audit log." },
        },
        "State.Admin.Purge": {
          version,
          input: ref.schema("AdminPurgeInput"),
          output: ref.schema("AdminPurged"),
          errors: adminErrors,
          capabilities: admin,
          docs: { summary: "Ends everything a user has, or one contract's part of it; recorded in the audit log." },
        },
      },
      feeds: {
        "State.Watch": {
          version,
          input: ref.schema("WatchInput"),
          event: ref.schema("Change"),
          docs: { summary: "What there is, then every change, whichever session or device makes it." },
        },
      },
    };
  },
);
