import type { StoredMessage } from "../jetstream/stored-message.ts";

/** Why a key has no value. */
export type KvEnd = "deleted" | "purged" | "expired";

/** What a message of a bucket means: a value, or how the key ended. */
export function endOf(message: StoredMessage): KvEnd | undefined {
  // Ends carry nothing, and JSON is never nothing.
  if (message.data.length > 0) return undefined;
  const operation = message.headers.get("KV-Operation");
  if (operation === "DEL") return "deleted";
  if (operation === "PURGE") return "purged";
  const marker = message.headers.get("Nats-Marker-Reason");
  if (marker === "") return undefined;
  return marker === "MaxAge" ? "expired" : "purged";
}
