/**
 * A `Result` is plain data, so it can be logged, compared, stored and sent. Expected failures are returned;
 * only bugs are thrown.
 */

/** What went right. */
export interface Ok<T> {
  readonly ok: true;
  readonly value: T;
}

/** What went wrong, as a value. */
export interface Err<E> {
  readonly ok: false;
  readonly error: E;
}

/** Either a value or an error; tell them apart by `ok`, and errors apart by their `code` or `type`. */
export type Result<T, E> = Ok<T> | Err<E>;

/** What to do with each side of a result. */
export interface Match<T, E, A, B> {
  readonly ok: (value: T) => A;
  readonly err: (error: E) => B;
}

/** Makes a successful result; without an argument its value is `undefined`. */
export function ok(): Ok<undefined>;
export function ok<T>(value: T): Ok<T>;
export function ok<T>(value?: T): Ok<T | undefined> {
  return { ok: true, value };
}

/** Makes a failed result. */
export function err<E>(error: E): Err<E> {
  return { ok: false, error };
}

// The type parameters default to `never`: a side nobody mentions cannot occur, whereas TypeScript's own guess would be
// `unknown`, which swallows the error types of a whole chain.

/** Changes the value and leaves an error as it is. */
export function map<U, T = never, E = never>(result: Result<T, E>, change: (value: T) => U): Result<U, E> {
  return result.ok ? ok(change(result.value)) : result;
}

/** Changes the error and leaves a value as it is. */
export function mapErr<F, T = never, E = never>(result: Result<T, E>, change: (error: E) => F): Result<T, F> {
  return result.ok ? result : err(change(result.error));
}

/** Continues with another step that may fail in its own way. */
export function andThen<T = never, E = never, U = never, F = never>(
  result: Result<T, E>,
  next: (value: T) => Result<U, F>,
): Result<U, E | F> {
  return result.ok ? next(result.value) : result;
}

/** The value, or throws: the error itself when it is an `Error`, otherwise a `ResultError` around it. */
export function orThrow<T = never, E = never>(result: Result<T, E>): T {
  if (result.ok) return result.value;
  throw toThrowable(result.error);
}

/** The value, or this other one. */
export function unwrapOr<U, T = never, E = never>(result: Result<T, E>, fallback: U): T | U {
  return result.ok ? result.value : fallback;
}

/** Handles both sides; nothing can be forgotten. */
export function match<A, B, T = never, E = never>(result: Result<T, E>, arms: Match<T, E, A, B>): A | B {
  return result.ok ? arms.ok(result.value) : arms.err(result.error);
}

/** All values in order, or the first error. */
export function all<T = never, E = never>(results: Iterable<Result<T, E>>): Result<T[], E> {
  const values: T[] = [];
  for (const result of results) {
    if (!result.ok) return result;
    values.push(result.value);
  }
  return ok(values);
}

/** Thrown by `orThrow` for an error that is not an `Error`; `error` is the original value. */
export class ResultError<E = unknown> extends Error {
  override readonly name = "ResultError";
  readonly error: E;

  constructor(error: E) {
    super(describe(error));
    this.error = error;
  }
}

/** What `orThrow` throws for this error. */
export function toThrowable(error: unknown): Error {
  return error instanceof Error ? error : new ResultError(error);
}

function describe(error: unknown): string {
  if (typeof error === "string") return error;
  if (typeof error !== "object" || error === null) return String(error);
  const message = "message" in error && typeof error.message === "string" ? error.message : undefined;
  const name = label(error);
  if (message !== undefined) return name === undefined ? message : `${name}: ${message}`;
  return name ?? "the operation failed with an error that carries no message";
}

function label(error: object): string | undefined {
  if ("code" in error && typeof error.code === "string") return error.code;
  if ("type" in error && typeof error.type === "string") return error.type;
  return undefined;
}
