import { err, ok, toThrowable } from "./result.ts";
import type { Match, Result } from "./result.ts";

/** A step of an `AsyncResult` chain may answer now or later. */
export type MaybeAsyncResult<T, E> = Result<T, E> | AsyncResult<T, E> | PromiseLike<Result<T, E>>;

/**
 * A `Result` that is still under way. Awaiting it gives the plain `Result`; the methods build a chain without
 * leaving it. A function of the chain that throws rejects the chain: that is a bug, not an expected failure.
 */
export class AsyncResult<T, E> implements PromiseLike<Result<T, E>> {
  readonly #promise: Promise<Result<T, E>>;

  constructor(result: MaybeAsyncResult<T, E>) {
    this.#promise = Promise.resolve<Result<T, E>>(result);
  }

  /** A successful result. */
  static ok<T>(value: T): AsyncResult<T, never> {
    return new AsyncResult<T, never>(ok(value));
  }

  /** A failed result. */
  static err<E>(error: E): AsyncResult<never, E> {
    return new AsyncResult<never, E>(err(error));
  }

  /** Runs an async function that returns a `Result`. */
  static run<T = never, E = never>(body: () => PromiseLike<Result<T, E>>): AsyncResult<T, E> {
    return new AsyncResult<T, E>(Promise.resolve().then(body));
  }

  /** Turns a promise that may reject into a result; `toError` names what a rejection means. */
  static from<T, E>(promise: PromiseLike<T>, toError: (cause: unknown) => E): AsyncResult<T, E> {
    return new AsyncResult<T, E>(
      promise.then(
        (value) => ok(value),
        (cause: unknown) => err(toError(cause)),
      ),
    );
  }

  /** Makes the result awaitable. */
  // oxlint-disable-next-line unicorn/no-thenable -- being awaitable is what this class is for
  then<A = Result<T, E>, B = never>(
    onResult?: ((result: Result<T, E>) => A | PromiseLike<A>) | null,
    onBug?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#promise.then(onResult, onBug);
  }

  /** Changes the value and leaves an error as it is. */
  map<U>(change: (value: T) => U | PromiseLike<U>): AsyncResult<U, E> {
    return new AsyncResult<U, E>(
      this.#promise.then(async (result) => (result.ok ? ok(await change(result.value)) : result)),
    );
  }

  /** Changes the error and leaves a value as it is. */
  mapErr<F>(change: (error: E) => F | PromiseLike<F>): AsyncResult<T, F> {
    return new AsyncResult<T, F>(
      this.#promise.then(async (result) => (result.ok ? result : err(await change(result.error)))),
    );
  }

  /** Continues with another step that may fail in its own way. */
  andThen<U = never, F = never>(next: (value: T) => MaybeAsyncResult<U, F>): AsyncResult<U, E | F> {
    return new AsyncResult<U, E | F>(
      this.#promise.then(async (result): Promise<Result<U, E | F>> => (result.ok ? await next(result.value) : result)),
    );
  }

  /** The value, or rejects: with the error itself when it is an `Error`, otherwise with a `ResultError`. */
  async orThrow(): Promise<T> {
    const result = await this.#promise;
    if (result.ok) return result.value;
    throw toThrowable(result.error);
  }

  /** The value, or this other one. */
  async unwrapOr<U>(fallback: U): Promise<T | U> {
    const result = await this.#promise;
    return result.ok ? result.value : fallback;
  }

  /** Handles both sides; nothing can be forgotten. */
  async match<A, B>(arms: Match<T, E, A | PromiseLike<A>, B | PromiseLike<B>>): Promise<A | B> {
    const result = await this.#promise;
    return result.ok ? arms.ok(result.value) : arms.err(result.error);
  }
}
