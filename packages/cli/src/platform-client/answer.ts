import type { AsyncResult } from "@trellis/result";

/** The value of a call, or the failure a person reads. */
export async function answerOf<T>(call: AsyncResult<T, unknown>): Promise<T> {
  const result = await call;
  if (result.ok) return result.value;
  if (!(result.error instanceof Error)) throw result.error;
  const { asFailure } = await import("./as-failure.ts");
  throw asFailure(result.error);
}
