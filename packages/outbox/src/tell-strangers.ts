import type { Log } from "@trellis/server";
import type { OutboxRepository } from "./repository.ts";

/** Why an event is put aside that no version publishes. */
export const NOT_PUBLISHED = "No version of the service publishes events of this name any more.";

/**
 * Says what waits for a version that is not there. In a rolling upgrade an event may wait a moment for a replica whose contract
 * has it; of a name that was removed it would wait for ever, and nobody would know.
 */
export async function tellStrangers(
  repository: OutboxRepository,
  names: readonly string[],
  olderThanMs: number,
  log: Log,
): Promise<void> {
  for (const { name, waiting, oldestAt } of await repository.strangers(names)) {
    if (Date.now() - oldestAt.getTime() < olderThanMs) continue;
    log.warn("Events of the outbox wait for a version of this service that publishes them, and none comes.", {
      event: name,
      waiting,
      since: oldestAt.toISOString(),
      next: `Run a version whose contract has the event ${name}, or put them aside with parkNamed("${name}") of the outbox.`,
    });
  }
}
