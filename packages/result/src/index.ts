export { all, andThen, err, map, mapErr, match, ok, orThrow, ResultError, toThrowable, unwrapOr } from "./result.ts";
export type { Err, Match, Ok, Result } from "./result.ts";
export { AsyncResult } from "./async-result.ts";
export type { MaybeAsyncResult } from "./async-result.ts";
