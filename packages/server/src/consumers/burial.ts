import { headerValues } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import { HEADERS } from "@trellis/protocol";
import type { Log } from "../log.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import { buryEvent } from "./dead-letter.ts";
import type { DeadReason } from "./dead-letter.ts";
import type { HeldEvent } from "./held-event.ts";

export interface BurialOptions {
  readonly link: Link;
  readonly group: ConsumerGroup;
  readonly deployment: string;
  readonly log: Log;
}

/** Puts events of a group aside, and says so to whoever reads the log. */
export class Burial {
  readonly #options: BurialOptions;

  constructor(options: BurialOptions) {
    this.#options = options;
  }

  /** Whether storage has it. */
  async bury(held: HeldEvent, reason: DeadReason): Promise<boolean> {
    const { link, group, deployment, log } = this.#options;
    const { sequence, message } = held.delivery;
    const stored = await buryEvent(link, {
      deployment,
      group: group.name,
      sequence,
      subject: held.subject,
      id: held.id,
      at: held.at,
      attempts: Math.min(held.attempts, group.maxDeliver),
      payload: message.data,
      traceparent: headerValues(message, HEADERS.traceparent)[0] || undefined,
      reason,
    });
    const fields = { group: group.name, id: held.id, subject: held.subject, reason: reason.message };
    if (stored.ok) log.error("An event is a dead letter now.", fields);
    else
      log.error("An event that cannot be handled could not be put aside either; trying again.", {
        ...fields,
        error: stored.error.message,
      });
    return stored.ok;
  }
}
