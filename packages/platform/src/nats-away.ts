import { ClosedConnectionError, NoRespondersError, RequestError, TimeoutError } from "@nats-io/nats-core";
import { JetStreamApiError } from "./registry/jetstream-api.ts";

const UNAVAILABLE = 503;

/** Whether something failed because NATS, or JetStream's majority, was not there for the moment. */
export function isNatsAway(error: unknown): boolean {
  return (
    error instanceof TimeoutError ||
    error instanceof ClosedConnectionError ||
    isNoResponders(error) ||
    (error instanceof JetStreamApiError && error.code === UNAVAILABLE)
  );
}

/** Nobody listens where it was sent, so it did nothing. */
export function isNoResponders(error: unknown): boolean {
  return error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
}
