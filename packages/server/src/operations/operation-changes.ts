import type { Link, LinkSubscription } from "@trellis/client/internal";
import { operationChangesSubject, operationToken } from "@trellis/contracts";
import { fromDelivery } from "../jetstream/stored-message.ts";
import { storedRecord } from "./operation-journal.ts";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import type { StoredRecord } from "./operation-record.ts";

/** Told each record of one operation, in order; some in between may be missing, the newest never is for long. */
export type ChangeListener = (stored: StoredRecord) => void;

interface Followed {
  readonly name: OperationName;
  readonly listeners: Set<ChangeListener>;
  readonly subscription: LinkSubscription;
  readonly firstLook: ReturnType<typeof setTimeout>;
  sequence: number;
  looking: boolean;
}

/** Republishing may miss a record around a reconnection or a change of leader; then it is found by looking. */
const LOOK_MS = 10_000;
/** By then every server knows that we listen: what was stored before has been republished past us. */
const FIRST_LOOK_MS = 250;

/**
 * What happens to operations, wherever they run, for those who watch or wait at this replica: the journal as its stream
 * republishes it, once for each operation however many follow it.
 */
export class OperationChanges {
  readonly #link: Link;
  readonly #journal: OperationJournal;
  readonly #followed = new Map<string, Followed>();
  readonly #stopState: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(link: Link, journal: OperationJournal) {
    this.#link = link;
    this.#journal = journal;
    this.#stopState = link.onState((state) => {
      if (state === "connected") this.#lookAtAll();
    });
  }

  /** Hears of everything that is stored from now on. Returns what stops it. */
  follow(name: OperationName, listener: ChangeListener): () => void {
    const key = keyOf(name);
    const followed = this.#followed.get(key) ?? this.#begin(key, name);
    followed.listeners.add(listener);
    return () => {
      if (!followed.listeners.delete(listener) || followed.listeners.size > 0) return;
      followed.subscription.close();
      clearTimeout(followed.firstLook);
      this.#followed.delete(key);
      if (this.#followed.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** What this replica has stored itself: whoever follows it here need not wait until it comes back. */
  hear(name: OperationName, stored: StoredRecord): void {
    const followed = this.#followed.get(keyOf(name));
    if (followed !== undefined && stored.sequence > followed.sequence) this.#tell(followed, stored);
  }

  close(): void {
    this.#stopState();
    clearInterval(this.#timer);
    for (const { subscription, firstLook } of this.#followed.values()) {
      subscription.close();
      clearTimeout(firstLook);
    }
    this.#followed.clear();
  }

  #begin(key: string, name: OperationName): Followed {
    const { stream } = this.#journal;
    const followed: Followed = {
      name,
      listeners: new Set(),
      sequence: 0,
      looking: false,
      firstLook: setTimeout(() => void this.#look(followed), FIRST_LOOK_MS),
      subscription: this.#link.subscribe(
        operationChangesSubject(stream.name, operationToken(name.operation), name.id),
        {
          fromJetStream: true,
          onMessage: (message) => {
            const delivered = fromDelivery(message, stream.name);
            if (delivered === undefined || delivered.sequence <= followed.sequence) return;
            const stored = storedRecord(delivered);
            if (stored !== undefined) this.#tell(followed, stored);
          },
        },
      ),
    };
    this.#followed.set(key, followed);
    this.#timer ??= setInterval(() => this.#lookAtAll(), LOOK_MS);
    return followed;
  }

  #tell(followed: Followed, stored: StoredRecord): void {
    followed.sequence = stored.sequence;
    for (const listener of [...followed.listeners]) listener(stored);
  }

  #lookAtAll(): void {
    for (const followed of this.#followed.values()) void this.#look(followed);
  }

  async #look(followed: Followed): Promise<void> {
    if (followed.looking) return;
    followed.looking = true;
    try {
      const last = await this.#journal.last(followed.name);
      if (last !== undefined && last.sequence > followed.sequence) this.#tell(followed, last);
    } catch {
      // Looked at again soon.
    } finally {
      followed.looking = false;
    }
  }
}

function keyOf({ operation, id }: OperationName): string {
  return `${operation} ${id}`;
}
