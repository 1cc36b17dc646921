import type { EventContext, EventOutcome, Log } from "@trellis/server";
import { isPromiseLike } from "./is-promise-like.ts";
import { INBOX_LIMITS } from "./limits.ts";
import type { InboxRepository } from "./repository.ts";

/** Handles each event once, however often it comes. */
export interface Inbox<Tx> {
  /**
   * `service.handle.events.parcels(inbox.once(({ event }, tx) => …))`. What the handler does through `tx` is committed
   * together with the id of the event; a later delivery of it is done without the handler. A throw or `err` undoes both.
   */
  once<Context extends EventContext>(
    handler: (context: Context, tx: Tx) => EventOutcome | PromiseLike<EventOutcome>,
  ): (context: Context) => Promise<EventOutcome>;
}

export interface InboxOptions {
  /** How long ids are remembered; an event that comes again later is handled again. Default 37 days. */
  readonly keepMs?: number;
}

export function createInbox<Tx>(repository: InboxRepository<Tx>, options: InboxOptions = {}): Inbox<Tx> {
  const pruning = new Pruning(repository, options.keepMs ?? INBOX_LIMITS.keepMs);
  return {
    once: (handler) => async (context) => {
      const outcome = await handleOnce(repository, context, (tx) => handler(context, tx));
      pruning.mayBegin(context.log);
      return outcome;
    },
  };
}

/** Carries the refusal of a handler through the transaction it undoes. */
class Undone extends Error {
  readonly outcome: EventOutcome;
  constructor(outcome: EventOutcome) {
    super("The handler refused the event.");
    this.outcome = outcome;
  }
}

async function handleOnce<Tx>(
  repository: InboxRepository<Tx>,
  context: EventContext,
  work: (tx: Tx) => EventOutcome | PromiseLike<EventOutcome>,
): Promise<EventOutcome> {
  const { consumer, name, id } = context;
  // Not async: a transaction of SQLite must end before anybody else's turn.
  const body = (tx: Tx): EventOutcome | Promise<EventOutcome> => {
    const isNew = repository.remember(tx, { consumer, name, id });
    return isPromiseLike(isNew)
      ? isNew.then((yes) => (yes ? effect(tx) : repeated()))
      : isNew
        ? effect(tx)
        : repeated();
  };
  const effect = (tx: Tx): EventOutcome | Promise<EventOutcome> => {
    const outcome = work(tx);
    return isPromiseLike(outcome) ? Promise.resolve(outcome).then(orUndo) : orUndo(outcome);
  };
  const repeated = (): undefined => {
    context.log.debug("The event was handled before.");
    return undefined;
  };
  try {
    return await repository.transaction(body);
  } catch (error) {
    if (error instanceof Undone) return error.outcome;
    throw error;
  }
}

/** Anything but nothing and `ok` undoes the transaction. */
function orUndo(outcome: EventOutcome): EventOutcome {
  if (outcome === undefined || (typeof outcome === "object" && outcome.ok)) return outcome;
  throw new Undone(outcome);
}

/** Forgets what is old, in the background, while events come. */
class Pruning {
  readonly #repository: Pick<InboxRepository<unknown>, "forget">;
  readonly #keepMs: number;
  #nextAt = 0;

  constructor(repository: Pick<InboxRepository<unknown>, "forget">, keepMs: number) {
    this.#repository = repository;
    this.#keepMs = keepMs;
  }

  mayBegin(log: Log): void {
    if (performance.now() < this.#nextAt) return;
    this.#nextAt = Number.POSITIVE_INFINITY;
    void this.#prune()
      .catch((error: unknown) => log.warn("The inbox could not forget what is old; it tries again later.", { error }))
      .finally(() => {
        this.#nextAt = performance.now() + INBOX_LIMITS.pruneEveryMs;
      });
  }

  async #prune(): Promise<void> {
    const before = new Date(Date.now() - this.#keepMs);
    while ((await this.#repository.forget(before, INBOX_LIMITS.pruneBatch)) === INBOX_LIMITS.pruneBatch);
  }
}
