import type { AuthError, TransportError, ValidationError } from "@trellis/protocol";

/** Errors every handler may answer with besides those its contract declares. */
export type BuiltInError = AuthError | TransportError | ValidationError;
