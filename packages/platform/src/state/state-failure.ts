import { TransportError } from "@trellis/protocol";
import { KvError } from "@trellis/server/node";

/** What a failure of the bucket means to a caller: to ask again when JetStream could not be reached. A bug passes through. */
export function failed(error: unknown): Error {
  const unavailable = error instanceof KvError ? error.code === "unavailable" : error instanceof TransportError;
  if (unavailable)
    return new TransportError("retry_later", {
      message: "What is stored could not be reached.",
      hint: "NATS is restarting or overloaded; ask again in a moment.",
      cause: error,
    });
  return error instanceof Error ? error : new Error(String(error));
}
