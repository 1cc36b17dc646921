import { ClosedConnectionError, NoRespondersError, RequestError, TimeoutError } from "@nats-io/nats-core";
import { JetStreamApiError } from "./registry/jetstream-api.ts";

const UNAVAILABLE = 503;

/** Whether something failed because NATS, or JetStream's majority, was not there for the moment. */
export function isNatsAway(error: unknown): boolean {
  return (
    error instanceof TimeoutError ||
    error instanceof NoRespondersError ||
    error instanceof RequestError ||
    error instanceof ClosedConnectionError ||
    (error instanceof JetStreamApiError && error.code === UNAVAILABLE)
  );
}
