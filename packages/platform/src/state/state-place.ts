import { err, ok, type Result } from "@trellis/result";
import { Refused } from "@trellis/sdk";
import { decodeToken, encodeToken } from "../registry/record-subject.ts";
import { MAX_KEY_BYTES } from "./state-limits.ts";

/** Whose state it is. */
export interface StateOwner {
  readonly type: "user" | "device";
  readonly id: string;
}

/** One store of one owner. A store belongs to the contract's name: every version of the contract sees the same data. */
export interface StateStore {
  readonly owner: StateOwner;
  readonly contract: string;
  readonly store: string;
  readonly kind: "value" | "map";
}

/**
 * Where everything is in the bucket: `<u|d>.<owner>.<contract>.<store>` for a value, and the segments of the key behind
 * it for an entry of a map. Each part is one token whatever it holds, so no name, key or prefix leads out of its place.
 */
export function ownerFilter({ type, id }: StateOwner, contract?: string): string {
  return `${OWNERS[type]}.${encodeToken(id)}.${contract === undefined ? "" : `${encodeToken(contract)}.`}>`;
}

const OWNERS = { user: "u", device: "d" } as const;

/** The bucket's key of a value, and what those of a map begin with. */
export function storeKey({ owner, contract, store }: StateStore): string {
  return `${OWNERS[owner.type]}.${encodeToken(owner.id)}.${encodeToken(contract)}.${encodeToken(store)}`;
}

/** The bucket's key of an entry: a value store has one without a key, a map one for each. */
export function entryKey(place: StateStore, key: string | undefined): Result<string, InstanceType<typeof Refused>> {
  if (place.kind === "value") {
    return key === undefined
      ? ok(storeKey(place))
      : err(invalid(`The state ${place.store} is one value and has no keys.`, "Leave the key out."));
  }
  if (key === undefined)
    return err(invalid(`The state ${place.store} is a map.`, "Say which of its entries is meant: give a key."));
  const tokens = segments(key);
  return tokens === undefined ? err(unfit(key)) : ok(`${storeKey(place)}.${tokens.join(".")}`);
}

/** Which keys of the bucket may match a prefix of entries, and which of those do. */
export interface PrefixFilter {
  readonly filter: string;
  matches(key: string | undefined): boolean;
}

export function prefixFilter(place: StateStore, prefix = ""): Result<PrefixFilter, InstanceType<typeof Refused>> {
  if (place.kind === "value") {
    return prefix === ""
      ? ok({ filter: storeKey(place), matches: (key) => key === undefined })
      : err(invalid(`The state ${place.store} is one value and has no keys.`, "Leave the prefix out."));
  }
  // NATS finds what begins with whole segments; the rest of the prefix is compared here.
  const whole = prefix.lastIndexOf("/");
  const tokens = whole < 0 ? [] : segments(prefix.slice(0, whole));
  if (tokens === undefined) return err(unfit(prefix));
  return ok({
    filter: [storeKey(place), ...tokens, ">"].join("."),
    matches: (key) => key?.startsWith(prefix) === true,
  });
}

/** The entry's own key of a key of the bucket; `undefined` for a value. */
export function entryOf(place: StateStore, bucketKey: string): string | undefined {
  const root = storeKey(place);
  if (bucketKey === root) return undefined;
  const tokens = bucketKey.slice(root.length + 1).split(".");
  return tokens.map((token) => decodeToken(token) ?? token).join("/");
}

/** Contract, store and kind of what stands at a key of the bucket. */
export function storeOf(bucketKey: string): Pick<StateStore, "contract" | "store" | "kind"> | undefined {
  const [, , contract, store, ...rest] = bucketKey.split(".").map(decodeToken);
  return contract === undefined || store === undefined
    ? undefined
    : { contract, store, kind: rest.length === 0 ? "value" : "map" };
}

function segments(key: string): readonly string[] | undefined {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return undefined;
  const parts = key.split("/");
  if (parts.includes("")) return undefined;
  const tokens = parts.map(encodeToken);
  // A text that UTF-8 cannot say would come back as another one.
  return tokens.every((token, index) => decodeToken(token) === parts[index]) ? tokens : undefined;
}

function unfit(key: string): InstanceType<typeof Refused> {
  return invalid(
    `${JSON.stringify(key.slice(0, 80))} cannot be a key.`,
    `A key is at most ${MAX_KEY_BYTES} bytes of text in segments with single / between them.`,
  );
}

function invalid(why: string, next: string): InstanceType<typeof Refused> {
  return new Refused({ code: "invalid_key", why, next });
}
