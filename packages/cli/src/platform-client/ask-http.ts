/** A platform that is there answers this well within it. */
const ANSWER_MS = 3_000;

/** What a platform said over HTTP, or why it said nothing. */
export type HttpAnswer =
  | { readonly ok: true; readonly status: number; readonly body: unknown; readonly tookMs: number }
  | { readonly ok: false; readonly problem: string };

/** Asks one of the platform's JSON pages, once. */
export async function askHttp(url: string, path: string, signal: AbortSignal): Promise<HttpAnswer> {
  const timeout = AbortSignal.timeout(ANSWER_MS);
  const began = performance.now();
  try {
    const response = await fetch(new URL(path, url), { signal: AbortSignal.any([signal, timeout]) });
    const body: unknown = await response.json().catch(() => undefined);
    return { ok: true, status: response.status, body, tookMs: performance.now() - began };
  } catch (error) {
    return { ok: false, problem: timeout.aborted ? `no answer within ${ANSWER_MS / 1000} s` : networkReason(error) };
  }
}

/** The member of a JSON object; `undefined` for everything else. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value ? Reflect.get(value, name) : undefined;
}

/** `fetch failed` helps nobody; what is below it does. */
function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
  return error.message;
}
