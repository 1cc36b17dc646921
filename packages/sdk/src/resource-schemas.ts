import { Type } from "typebox";

/** Shapes of `trellis.resources@v1`, and its limits. */

const Deployment = Type.String({ pattern: "^[a-z][a-z0-9-]{0,47}$" });
const Alias = Type.String({ minLength: 1, maxLength: 64 });
const Key = Type.String({ minLength: 1, maxLength: 1_024 });
const ObjectName = Type.String({ minLength: 1, maxLength: 512 });
const UploadId = Type.String({ pattern: "^[A-Za-z0-9_-]{22}$" });
const Revision = Type.Integer({ minimum: 1 });
const Bytes = Type.Integer({ minimum: 0 });

/**
 * Bytes of a file in one message: in base64 and with what is around it this fits the 1 MiB that every NATS server takes.
 * It is four chunks of a store, so that pieces end where chunks do.
 */
export const PIECE_BYTES = 524_288;

/** A value larger than this is not shown: with what is around it, it would not fit into one answer. */
export const SHOWN_VALUE_BYTES = 768 * 1024;

const ResourceKind = Type.Union([
  Type.Literal("kv"),
  Type.Literal("store"),
  Type.Literal("eventConsumer"),
  Type.Literal("jobs"),
  Type.Literal("operations"),
  Type.Literal("operationsWork"),
  Type.Literal("operationsConsumer"),
]);
const Page = {
  /** As long as a key or a name may be. */
  cursor: Type.Optional(Type.String({ maxLength: 1_024 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
};

const ResourcesListInput = Type.Object({
  deployment: Type.Optional(Deployment),
  kind: Type.Optional(ResourceKind),
  state: Type.Optional(Type.Union([Type.Literal("used"), Type.Literal("released")])),
  ...Page,
});
const Resource = Type.Object({
  deployment: Type.String(),
  alias: Type.String(),
  kind: ResourceKind,
  /** Its name on NATS: of the bucket, the store, the consumer. */
  physical: Type.String(),
  /** The contract it belongs to, by name without version. */
  lineage: Type.String(),
  /** `released`: no accepted contract names it any more; its data stays until somebody purges it. */
  state: Type.Union([Type.Literal("used"), Type.Literal("released"), Type.Literal("purging")]),
  bytes: Bytes,
  /** Keys of a bucket, stored messages of a store, what waits in a queue or for a group. */
  entries: Type.Integer({ minimum: 0 }),
  replicas: Type.Integer({ minimum: 1 }),
  createdAt: Type.String(),
  /** When something was stored last. */
  changedAt: Type.Optional(Type.String()),
});
const ResourcesList = Type.Object({ resources: Type.Array(Resource), nextCursor: Type.Optional(Type.String()) });
const ResourcePurge = Type.Object({
  deployment: Deployment,
  alias: Alias,
  /** Needed where one alias names two of them. */
  kind: Type.Optional(ResourceKind),
  /** Its physical name, said knowingly: what is deleted here cannot be had again. */
  acknowledge: Type.String({ maxLength: 160 }),
});
const ResourcePurged = Type.Object({
  physical: Type.String(),
  kind: ResourceKind,
  /** `false`: it is decided and recorded, and happens as soon as JetStream answers. */
  done: Type.Boolean(),
});

/** All schemas of the part about resources. */
export const resourceSchemas = {
  ResourceKind,
  ResourcesListInput,
  Resource,
  ResourcesList,
  ResourcePurge,
  ResourcePurged,
};

const KvRef = { deployment: Deployment, bucket: Alias };
const KvKeysInput = Type.Object({
  ...KvRef,
  filter: Type.Optional(Key),
  ...Page,
});
const KvKeys = Type.Object({ keys: Type.Array(Type.String()), nextCursor: Type.Optional(Type.String()) });
const KvKeyRef = Type.Object({ ...KvRef, key: Key });
const KvValue = Type.Object({
  key: Type.String(),
  /** Absent when it is too large to be shown, or no JSON; `problem` says which. */
  value: Type.Optional(Type.Unknown()),
  problem: Type.Optional(Type.String()),
  revision: Revision,
  at: Type.String(),
});
const KvChange = Type.Object({
  type: Type.Union([Type.Literal("put"), Type.Literal("end"), Type.Literal("ready")]),
  key: Type.Optional(Type.String()),
  value: Type.Optional(Type.Unknown()),
  problem: Type.Optional(Type.String()),
  /** Why a key has no value: `deleted`, `purged`, `expired`, or `gone`. */
  reason: Type.Optional(Type.String()),
  revision: Type.Optional(Type.Integer()),
  at: Type.Optional(Type.String()),
});
const KvHistory = Type.Object({ changes: Type.Array(KvChange) });
const KvPut = Type.Object({
  ...KvRef,
  key: Key,
  value: Type.Unknown(),
  /** Only if the key is still at this revision; 0: only if it has no value. */
  revision: Type.Optional(Type.Integer({ minimum: 0 })),
});
const KvDelete = Type.Object({ ...KvRef, key: Key, revision: Type.Optional(Revision) });
const KvWritten = Type.Object({ key: Type.String(), revision: Type.Optional(Revision) });
const KvWatchInput = Type.Object({ ...KvRef, filter: Type.Optional(Key) });

/** All schemas of the part about buckets. */
export const kvSchemas = {
  KvKeysInput,
  KvKeys,
  KvKeyRef,
  KvValue,
  KvChange,
  KvHistory,
  KvPut,
  KvDelete,
  KvWritten,
  KvWatchInput,
};

const StoreRef = { deployment: Deployment, store: Alias };
const StoredObject = Type.Object({
  name: Type.String(),
  size: Bytes,
  digest: Type.String(),
  contentType: Type.Optional(Type.String()),
  metadata: Type.Record(Type.String(), Type.String()),
  at: Type.String(),
});
const StoreListInput = Type.Object({ ...StoreRef, ...Page });
const StoreList = Type.Object({ objects: Type.Array(StoredObject), nextCursor: Type.Optional(Type.String()) });
const StoreObjectRef = Type.Object({ ...StoreRef, name: ObjectName });
const StoreRead = Type.Object({
  ...StoreRef,
  name: ObjectName,
  /** Of the object that is being read: one that was replaced meanwhile is refused. */
  digest: Type.String({ maxLength: 64 }),
  start: Bytes,
});
/** Up to `PIECE_BYTES` in base64; fewer only at the end. */
const StorePiece = Type.Object({ data: Type.String() });
const StoreUploadBegin = Type.Object({ ...StoreRef, name: ObjectName, size: Bytes });
const StoreUpload = Type.Object({ upload: Type.String(), pieceBytes: Type.Integer() });
const StoreUploadPiece = Type.Object({
  ...StoreRef,
  upload: UploadId,
  /** From 0 on, one after the other; the same one again is stored once. */
  index: Type.Integer({ minimum: 0 }),
  data: Type.String({ maxLength: Math.ceil(PIECE_BYTES / 3) * 4 }),
});
const StoreUploadRef = Type.Object({ ...StoreRef, upload: UploadId });
const StoreUploadFinish = Type.Object({
  ...StoreRef,
  upload: UploadId,
  size: Bytes,
  digest: Type.String({ maxLength: 64 }),
  contentType: Type.Optional(Type.String({ maxLength: 256 })),
});
const StoreDeleted = Type.Object({ deleted: Type.Boolean() });

/** All schemas of the part about object stores. */
export const storeSchemas = {
  StoredObject,
  StoreListInput,
  StoreList,
  StoreObjectRef,
  StoreRead,
  StorePiece,
  StoreUploadBegin,
  StoreUpload,
  StoreUploadPiece,
  StoreUploadRef,
  StoreUploadFinish,
  StoreDeleted,
};
