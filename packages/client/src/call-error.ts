import type { AuthError, RemoteError, TransportError, UnexpectedError, ValidationError } from "@trellis/protocol";

/** What can go wrong with any call, whatever it declares. */
export type CallError = AuthError | ValidationError | TransportError | UnexpectedError | RemoteError;
