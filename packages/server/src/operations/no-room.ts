import { TransportError } from "@trellis/protocol";
import { StreamRefused } from "../jetstream/stream-refused.ts";

/** That nothing more can be stored is for whoever asks to know; any other error stays what it is. */
export function orNoRoom(error: unknown, service: string, so: string): unknown {
  if (!(error instanceof StreamRefused) || !error.isFull) return error;
  return new TransportError("overloaded", {
    message: `The operations of ${service} are full: ${so}.`,
    hint: "Try again later: the servers store nothing more until they have more room, or something has left.",
  });
}
