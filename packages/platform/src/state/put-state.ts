import type { Json } from "@trellis/contracts";
import { ValidationError } from "@trellis/protocol";
import { err, ok, type Result } from "@trellis/result";
import { Refused, StateConflict, type StateUnreadable } from "@trellis/sdk";
import type { KvError } from "@trellis/server/node";
import type { DeclaredState } from "./declared-state.ts";
import { readState, stored, unreadable } from "./read-state.ts";
import type { StateBucket, StateRecord } from "./state-bucket.ts";
import { failed } from "./state-failure.ts";
import { MAX_TTL_MS, type StateLimits } from "./state-limits.ts";
import { entryKey, ownerFilter } from "./state-place.ts";

export interface PutState {
  readonly key?: string;
  readonly value: Json;
  readonly expectedRevision?: number;
  readonly ttlMs?: number;
  readonly writeId?: string;
}

type PutFailure =
  | InstanceType<typeof Refused>
  | InstanceType<typeof StateConflict>
  | InstanceType<typeof StateUnreadable>
  | ValidationError;

/** Somebody writes the same entry at the same time as often as this: then it is for the caller to look again. */
const ATTEMPTS = 20;

/**
 * Stores an entry.
 *
 * 1. It is written on the condition of what was read just before, so a put with the same `writeId` happens once,
 *    whichever replicas its repetitions reach, and nothing is counted or judged that another write has replaced.
 * 2. Without an expectation the newest put wins, but never over a value this contract cannot read: that was written by a
 *    newer version, whose data must not be lost unseen.
 */
export async function putState(
  bucket: StateBucket,
  limits: StateLimits,
  declared: DeclaredState,
  input: PutState,
): Promise<Result<{ readonly revision: number }, PutFailure>> {
  const { place, version } = declared;
  const { value, expectedRevision, ttlMs, writeId } = input;
  const where = entryKey(place, input.key);
  if (!where.ok) return where;
  const wrong = checkValue(declared, limits, input);
  if (wrong !== undefined) return err(wrong);
  const record: StateRecord = { version, value, ...(writeId === undefined ? {} : { write: writeId }) };
  const options = ttlMs === undefined ? {} : { ttlMs };
  for (let attempt = 1; ; attempt += 1) {
    const found = await bucket.kv.get(where.value, { fresh: true });
    if (!found.ok) throw failed(found.error);
    const now = found.value;
    if (writeId !== undefined && now?.value.write === writeId) return ok({ revision: now.revision });
    if (expectedRevision !== undefined && expectedRevision !== (now?.revision ?? 0))
      return err(conflict(place.store, input.key, now?.revision));
    if (now === undefined) {
      const full = await checkRoom(bucket, limits, declared);
      if (full !== undefined) return err(full);
    } else if (expectedRevision === undefined && declared.schemaOf(now.value.version) === undefined) {
      const read = readState(declared, stored(now));
      if (!read.readable) return err(unreadable(place.store, read.entry));
    }
    const written =
      now === undefined
        ? await bucket.kv.create(where.value, record, options)
        : await bucket.kv.update(where.value, record, now.revision, options);
    if (written.ok) return ok({ revision: written.value.revision });
    if (!isOvertaken(written.error)) return err(refusal(written.error));
    if (attempt >= ATTEMPTS) return err(conflict(place.store, input.key, written.error.revision));
  }
}

export function conflict(store: string, key: string | undefined, revision: number | undefined) {
  return new StateConflict({ store, ...(key === undefined ? {} : { key }), revision: revision ?? 0 });
}

/** Somebody wrote between our reading and our writing. */
export function isOvertaken({ code }: KvError): boolean {
  return code === "conflict" || code === "not_found";
}

function checkValue(
  { version, schemaOf }: DeclaredState,
  limits: StateLimits,
  { value, ttlMs }: PutState,
): ValidationError | InstanceType<typeof Refused> | undefined {
  const schema = schemaOf(version);
  if (schema?.check(value) !== true)
    return new ValidationError(
      (schema?.errors(value) ?? []).map(({ path, message }) => ({ path: `/value${path}`, message })),
    );
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > limits.maxValueBytes)
    return new Refused({
      code: "value_too_large",
      why: `The value is ${bytes} bytes; a value of state may be ${limits.maxValueBytes}.`,
      next: "Divide it over the entries of a map, or keep it in a service.",
    });
  if (ttlMs !== undefined && ttlMs > MAX_TTL_MS)
    return new Refused({
      code: "ttl_too_long",
      why: `An entry that expires lives ${MAX_TTL_MS} ms at the most.`,
      next: "Leave ttlMs out: then it does not expire.",
    });
  return undefined;
}

/** Entries that are being added at the same time may all find room: the limit is passed by as many at the most. */
async function checkRoom(
  bucket: StateBucket,
  limits: StateLimits,
  { place }: DeclaredState,
): Promise<InstanceType<typeof Refused> | undefined> {
  const { owner, contract } = place;
  const [ofContract, ofAll] = await Promise.all([
    bucket.count(ownerFilter(owner, contract)),
    bucket.count(ownerFilter(owner)),
  ]).catch((error: unknown) => {
    throw failed(error);
  });
  const next = "Delete entries that are not needed any more; a deleted one counts for another three minutes.";
  if (ofContract >= limits.maxEntries)
    return new Refused({
      code: "too_many_entries",
      why: `${contract} keeps ${ofContract} entries for this ${owner.type}; ${limits.maxEntries} is the limit.`,
      next,
    });
  if (ofAll >= limits.maxEntriesOfAll)
    return new Refused({
      code: "too_many_entries",
      why: `${ofAll} entries of all contracts are kept for this ${owner.type}; ${limits.maxEntriesOfAll} is the limit.`,
      next,
    });
  return undefined;
}

function refusal(error: KvError): InstanceType<typeof Refused> {
  if (error.code === "bucket_full")
    return new Refused({
      code: "state_full",
      why: "The platform has no room for more state.",
      next: "Ask an administrator for more room: TRELLIS_STATE_MAX_BYTES.",
    });
  throw failed(error);
}
