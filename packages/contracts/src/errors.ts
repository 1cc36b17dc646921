import type { Json } from "./manifest.ts";

/**
 * Base of every error that may cross the wire: the classes `defineError` makes and the built-in ones of the
 * protocol. `type` names the kind of error for every language; `code` the reason within the kind.
 */
export abstract class TrellisError extends Error {
  abstract readonly type: string;
  readonly code?: string;

  /** The members an error adds to `{ id, type, message }` on the wire. Never a stack, a path or a secret. */
  abstract toWire(): Json;
}
