import type { WantedStream } from "./jetstream-api.ts";

export interface LatestOnly {
  readonly name: string;
  readonly description: string;
  readonly subjects: readonly string[];
}

/** A stream that keeps one message a subject, for as long as each message says. */
export function latestOnlyStream(about: LatestOnly, replicas: 1 | 3): WantedStream {
  return {
    ...about,
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    allow_msg_ttl: true,
  };
}
