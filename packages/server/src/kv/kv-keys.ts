import { KvError } from "./kv-error.ts";

/** What a key may be: tokens of these characters with single dots between them. */
const KEY = /^[-/_=a-zA-Z0-9]+(\.[-/_=a-zA-Z0-9]+)*$/;
const FILTER = /^([-/_=a-zA-Z0-9]+|\*)(\.([-/_=a-zA-Z0-9]+|\*))*(\.>)?$/;

/** A subject has to fit a protocol line next to everything else in it. */
const MAX_KEY_CHARACTERS = 1_024;

/** The subject of a key; refuses what is none. */
export function keySubject(bucket: string, key: string): string {
  if (key.length > MAX_KEY_CHARACTERS || !KEY.test(key))
    throw new KvError(
      "invalid_key",
      `${JSON.stringify(key.slice(0, 80))} cannot be a key. A key is letters, digits and -/_= in tokens with dots between them, at most ${MAX_KEY_CHARACTERS} characters; encode anything else.`,
      { key },
    );
  return `$KV.${bucket}.${key}`;
}

/** A filter over keys as a subject below `root`: `*` stands for one token, a last `>` for all that follow. */
export function filterSubject(root: string, filter: string): string {
  if (filter !== ">" && (filter.length > MAX_KEY_CHARACTERS || !FILTER.test(filter)))
    throw new KvError(
      "invalid_key",
      `${JSON.stringify(filter.slice(0, 80))} cannot be a filter. A filter is a key in which * stands for one token and a last > for all that follow.`,
      { key: filter },
    );
  return `${root}.${filter}`;
}
