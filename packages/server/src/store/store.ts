import { headers as newHeaders } from "@nats-io/nats-core";
import { pause } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import type { StoreBinding } from "@trellis/contracts";
import type { Sha256Stream } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { OwnStream } from "../jetstream/own-stream.ts";
import { persist } from "../jetstream/persist.ts";
import type { StoredMessage } from "../jetstream/stored-message.ts";
import { NewestRevisions } from "../kv/newest-revisions.ts";
import { sweepForEver, SWEEP_TIMES } from "./abandoned-uploads.ts";
import type { SweepTimes } from "./abandoned-uploads.ts";
import { download } from "./download.ts";
import { descriptionSubject, readDescription, toObject } from "./object-layout.ts";
import { StoreError, toStoreError } from "./store-error.ts";
import { findObject } from "./store-parts.ts";
import type { StoreParts } from "./store-parts.ts";
import type {
  StoreBody,
  StoredObject,
  StoreDownload,
  StoreGetOptions,
  StorePutOptions,
  StoreStatus,
} from "./store-types.ts";
import { UploadRecords } from "./upload-records.ts";
import { upload } from "./upload.ts";

/** One object store of a service: files of any size, whole or not at all. */
export interface Store {
  /** Stores an object, in place of one of the same name. It is there when this resolves, and not before. */
  put(name: string, body: StoreBody, options?: StorePutOptions): AsyncResult<StoredObject, StoreError>;
  /** Opens an object for reading; the body fails when what arrives is not what was stored. */
  get(name: string, options?: StoreGetOptions): AsyncResult<StoreDownload, StoreError>;
  /** What is known of an object, or `undefined`. */
  info(name: string): AsyncResult<StoredObject | undefined, StoreError>;
  /** All objects, in the order they were stored. */
  list(): AsyncResult<StoredObject[], StoreError>;
  /** Removes an object and its bytes; `false` when there was none. */
  delete(name: string): AsyncResult<boolean, StoreError>;
  /** Resolves as soon as there is an object of this name; the signal ends the waiting with `cancelled`. */
  waitFor(name: string, options?: { readonly signal?: AbortSignal }): AsyncResult<StoredObject, StoreError>;
  /** Limits and contents; reads all descriptions. */
  status(): AsyncResult<StoreStatus, StoreError>;
}

export interface StoreOptions {
  readonly link: Link;
  /** Read at every use: limits change while a service runs. */
  readonly binding: () => StoreBinding;
  readonly newHash: () => Sha256Stream;
  /** Told when tidying up failed; it is tried again. */
  readonly onTrouble: (error: unknown) => void;
  readonly times?: Partial<SweepTimes>;
}

/** Whoever waits for an object looks this often, at most. */
const LOOK_EVERY_MS = 500;

/** A removed object is remembered this long, for the tools that watch a store. */
const END_KEPT = "900s";

/** An object store over a link; sees to what broken uploads left as long as the link is open. */
export function createStore(options: StoreOptions): Store {
  const parts = storeParts(options);
  sweepForEver(parts, { ...SWEEP_TIMES, ...options.times }, options.onTrouble);
  return storeOf(parts);
}

/** What works on one store, for whoever comes from outside its service. */
export function storeParts({ link, binding, newHash }: Pick<StoreOptions, "link" | "binding" | "newHash">): StoreParts {
  const { bucket } = binding();
  const stream = new OwnStream(link, `OBJ_${bucket}`);
  const records = new UploadRecords(link, stream, bucket);
  return { link, bucket, stream, records, newest: new NewestRevisions(), binding, newHash };
}

/** A store without the sweep. */
export function storeOf(parts: StoreParts): Store {
  const { bucket, binding } = parts;
  const run = <T>(name: string | undefined, body: () => Promise<T>): AsyncResult<T, StoreError> =>
    new AsyncResult<T, StoreError>(attempt(body, bucket, name));

  return {
    put: (name, body, putOptions = {}) => run(name, () => upload(parts, name, body, putOptions)),
    get: (name, getOptions = {}) => run(name, () => download(parts, name, getOptions)),
    info: (name) => run(name, () => info(parts, name)),
    list: () => run(undefined, () => list(parts)),
    delete: (name) => run(name, () => remove(parts, name)),
    waitFor: (name, { signal } = {}) => run(name, () => waitFor(parts, name, signal)),
    status: () =>
      run(undefined, async () => {
        const objects = await list(parts);
        const { maxTotalBytes, maxObjectBytes } = binding();
        return {
          bucket,
          objects: objects.length,
          bytes: objects.reduce((sum, { size }) => sum + size, 0),
          maxTotalBytes,
          maxObjectBytes,
        };
      }),
  };
}

async function info(parts: StoreParts, name: string): Promise<StoredObject | undefined> {
  const found = await findObject(parts, name);
  return found === undefined ? undefined : toObject(found.description, found.message);
}

async function list({ link, stream, bucket }: StoreParts): Promise<StoredObject[]> {
  return persist(link, async () => {
    const found = new Map<string, StoredMessage>();
    await stream.readThrough(`$O.${bucket}.M.>`, 1, (message) => {
      found.delete(message.subject);
      found.set(message.subject, message);
    });
    return [...found.values()].flatMap((message) => {
      const description = readDescription(message, bucket);
      return description === undefined ? [] : [toObject(description, message)];
    });
  });
}

async function remove(parts: StoreParts, name: string): Promise<boolean> {
  const { link, bucket, stream, records, newest } = parts;
  const found = await findObject(parts, name, true);
  if (found === undefined) return false;
  const headers = newHeaders();
  headers.set("Nats-Rollup", "sub");
  headers.set("Nats-TTL", END_KEPT);
  const { nuid } = found.description;
  const ended = { name, bucket, nuid, size: 0, chunks: 0, digest: "", mtime: new Date().toISOString(), deleted: true };
  const data = new TextEncoder().encode(JSON.stringify(ended));
  try {
    newest.saw(name, await persist(link, () => stream.store(descriptionSubject(bucket, name), data, { headers })));
    await records.remove(nuid);
  } catch (error) {
    const failure = toStoreError(error, bucket, name);
    if (failure.code !== "store_full") throw failure;
    throw new StoreError(
      "store_full",
      `The store ${bucket} has not even room to note that ${name} was removed. Raise maxTotalBytes.`,
      { object: name, cause: error },
    );
  }
  return true;
}

async function waitFor(parts: StoreParts, name: string, signal: AbortSignal | undefined): Promise<StoredObject> {
  for (let waitMs = 20; ; waitMs = Math.min(LOOK_EVERY_MS, waitMs * 1.5)) {
    const found = await info(parts, name);
    if (found !== undefined) return found;
    if (!(await pause(waitMs, signal)))
      throw new StoreError("cancelled", `Nobody stored ${name} before the waiting was cancelled.`, {
        object: name,
        cause: signal?.reason,
      });
    if (parts.link.state === "closed")
      throw new StoreError("unavailable", "The service was stopped.", { object: name });
  }
}

async function attempt<T>(
  body: () => Promise<T>,
  bucket: string,
  name: string | undefined,
): Promise<Result<T, StoreError>> {
  try {
    return ok(await body());
  } catch (error) {
    return err(toStoreError(error, bucket, name));
  }
}
