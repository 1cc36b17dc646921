/** How long publishing goes on trying. */
export const PUBLISH_LIMITS = {
  /** Longer than a server takes to restart. */
  defaultMs: 30_000,
  /** Storage remembers ids for two minutes at least: a later try could store an event twice. */
  longestMs: 110_000,
  /** Storage answers in milliseconds; one try waits this long for a message that was lost with its connection. */
  firstTryMs: 2_000,
  /** A server that is only slow must not be given more of the same. */
  longestTryMs: 10_000,
} as const;
