import { Puller, within } from "@trellis/client/internal";
import type { Delivery, LinkSubscription } from "@trellis/client/internal";
import { operationRecordSubject, OPERATION_DEFAULTS } from "@trellis/contracts";
import type { OperationsBinding } from "@trellis/contracts";
import { randomToken } from "@trellis/protocol";
import { claimOperation } from "./operation-claim.ts";
import type { OperationFacts } from "./operation-facts.ts";
import { delayed, OperationItems } from "./operation-items.ts";
import { readItem } from "./operation-record.ts";
import type { OperationOrigin } from "./operation-record.ts";
import { OperationRun } from "./operation-run.ts";
import type { RunSurroundings } from "./operation-run.ts";

export interface WorkerOptions {
  readonly surroundings: RunSurroundings;
  readonly binding: OperationsBinding;
  /** The deployment. */
  readonly service: string;
  /** Names this replica in the journals. */
  readonly replica: string;
  /** By the token of their name. */
  readonly facts: ReadonlyMap<string, OperationFacts>;
  readonly maxRunning: number;
  /** Why an operation that was started under another contract cannot go on under ours. */
  readonly unfit: (facts: OperationFacts, origin: OperationOrigin) => Promise<string | undefined>;
}

/** An operation in this replica's hands, its claim perhaps still to come. */
interface Held {
  readonly items: OperationItems;
  run: OperationRun | undefined;
}

const CLAIM_CHARACTERS = 12;
const encoder = new TextEncoder();
const TERM = encoder.encode("+TERM");
/** A replica that serves this operation may be there soon; this one is older or newer. */
const NOT_MINE_MS = 2_000;
/** A handler that heeds its signal needs no longer to write that the operation goes back. */
const GIVE_BACK_MS = 2_000;

/** Takes the operations of a deployment and runs them, so many at a time. */
export class OperationWorker {
  readonly #options: WorkerOptions;
  readonly #held = new Map<string, Held>();
  readonly #puller: Puller;
  readonly #inbox: LinkSubscription;
  readonly #beating: ReturnType<typeof setInterval>;
  readonly #over = new AbortController();
  /** The operation a replica died with before, in its last attempt here. */
  #lastAttempt: Held | undefined;
  #idle: (() => void) | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { binding, service, maxRunning, surroundings } = options;
    const { link, log } = surroundings;
    // A hint that comes at once; what the inbox holds counts.
    this.#inbox = link.subscribe(operationRecordSubject(service, "inbox", "*", "*"), {
      onMessage: ({ subject }) => {
        const [operation, id] = subject.split(".").slice(-2);
        const held = this.#held.get(`${operation} ${id}`);
        // The hint is heard before the message is stored, how long before depends on the servers.
        if (held !== undefined) for (const ms of HINTS_MS) setTimeout(() => void held.run?.fetchInbox(), ms);
      },
    });
    this.#puller = new Puller({
      link,
      binding: binding.work,
      free: () => maxRunning - this.#held.size,
      enough: Math.max(1, Math.ceil(maxRunning / 4)),
      expiresMs: REQUEST_MS,
      onDelivery: (delivery) => this.#take(delivery),
      onTrouble: (why) => log.warn("No operations come at the moment; asking again until they do.", { why }),
    });
    this.#beating = setInterval(() => this.#beat(), BEAT_MS);
  }

  /** Operations at work here. */
  get running(): number {
    return this.#held.size;
  }

  /** Takes no more and lets what runs finish; after the time is up, what still runs is given back. */
  async drain(graceMs: number): Promise<{ readonly left: number }> {
    const stopped = this.#puller.stopGivingBack();
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
      if (this.#held.size === 0) resolve();
    });
    // What only waits need not be waited for.
    for (const { run } of this.#held.values()) run?.handle.parkNow();
    if (!(await within(graceMs, idle))) {
      for (const { run } of this.#held.values()) run?.stop();
      if (!(await within(GIVE_BACK_MS, idle))) {
        // While there is no room for the records it never ends; the items come again all the same.
        const givenBack = [...this.#held.values()].map(({ run }) => run?.giveBack() ?? Promise.resolve());
        await within(GIVE_BACK_MS, Promise.allSettled(givenBack));
        await within(GIVE_BACK_MS, idle);
      }
    }
    await stopped;
    const left = this.#held.size;
    this.close();
    return { left };
  }

  close(): void {
    this.#over.abort();
    clearInterval(this.#beating);
    this.#puller.close();
    this.#inbox.close();
    for (const { run } of this.#held.values()) run?.quit();
  }

  #beat(): void {
    for (const { run } of this.#held.values()) {
      void run
        ?.beat(BEAT_MS)
        .catch((error: unknown) => run.log.debug("Whether an operation is still ours is not known.", { error }));
    }
  }

  #take({ message: { data, subject }, reply }: Delivery): void {
    const { surroundings, facts } = this.#options;
    const { link, log } = surroundings;
    const token = subject.split(".").at(-2) ?? "";
    const item = readItem(data);
    if (item === undefined) {
      log.error("A work item was dropped: it names no operation.", { subject });
      link.publish(reply, TERM);
      return;
    }
    const key = `${token} ${item.id}`;
    const same = this.#held.get(key);
    if (same !== undefined) return same.items.add(reply);
    const known = facts.get(token);
    if (known === undefined) {
      log.warn("An operation waits: this replica's contract has none of its name.", { operation: token, id: item.id });
      link.publish(reply, delayed(NOT_MINE_MS));
      return;
    }
    const held: Held = { items: new OperationItems(link, reply), run: undefined };
    this.#held.set(key, held);
    void this.#run(known, item, held)
      .catch((error: unknown) => {
        if (link.state === "closed") return;
        log.warn("An operation could not be brought to its end here; it comes again.", {
          operation: known.name,
          id: item.id,
          error,
        });
      })
      .finally(() => {
        this.#held.delete(key);
        if (this.#lastAttempt === held) this.#lastAttempt = undefined;
        if (this.#held.size === 0) this.#idle?.();
        this.#puller.more();
      });
  }

  async #run(facts: OperationFacts, item: NonNullable<ReturnType<typeof readItem>>, held: Held): Promise<void> {
    const { surroundings, replica, unfit } = this.#options;
    const { journal, nowMs } = surroundings;
    const { items } = held;
    const came = items.count;
    const name = { operation: facts.name, id: item.id };
    const claim = randomToken(CLAIM_CHARACTERS);
    const claimed = await claimOperation({
      journal,
      name,
      item,
      claim,
      replica,
      nowMs,
      ackWaitMs: OPERATION_DEFAULTS.ackWaitMs,
      signal: this.#over.signal,
      unfit: (origin) => unfit(facts, origin),
      maxAttempts: facts.maxAttempts,
      takeLastAttempt: () => (this.#lastAttempt ??= held) === held,
    });
    if (claimed.kind === "done") return items.acknowledge(came);
    if (claimed.kind === "later") return items.giveBack(claimed.delayMs);
    if (claimed.kind === "theirs") return;
    held.run = new OperationRun(surroundings, facts, name, claim, claimed, items);
    await held.run.go();
  }
}

const BEAT_MS = OPERATION_DEFAULTS.ackWaitMs / 3;
/** Short, so that a replica that died leaves no request behind that takes work away from the living. */
const REQUEST_MS = 1_500;
const HINTS_MS = [2, 30, 300];
