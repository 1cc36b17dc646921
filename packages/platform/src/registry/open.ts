import type { NatsConnection } from "@nats-io/nats-core";
import type { Log } from "../log.ts";
import { SILENT_LOG } from "../log.ts";
import { RegistryBusyError, RegistryClosedError, RegistryUnavailableError } from "./errors.ts";
import { commit } from "./committer.ts";
import type { Attempt } from "./committer.ts";
import { Follower } from "./follower.ts";
import { ensureStream, storedMessage, streamState } from "./jetstream-api.ts";
import { recordSubject, REGISTRY_STREAM, REGISTRY_SUBJECTS } from "./record-subject.ts";
import type { RecordChange, Registry, Revision, Table, TableDefinition, Transaction } from "./registry.ts";
import { StagedTransaction } from "./staged-transaction.ts";
import { View } from "./view.ts";

export interface RegistryOptions {
  /** Connection to the account that owns the streams. */
  readonly nc: NatsConnection;
  /** Copies of the stream: 1, or 3 in a cluster. */
  readonly replicas: 1 | 3;
  readonly log?: Log;
  /** Runs of one decision before `RegistryBusyError`. */
  readonly maxAttempts?: number;
  /** How long a transaction keeps trying while the store does not answer. */
  readonly unavailableAfterMs?: number;
  /** Time for one answer of the store. */
  readonly commitTimeoutMs?: number;
  /** How long the marker of an expired or deleted record stays for replicas that were away. */
  readonly markerTtlMs?: number;
  /** Time for the first listing. */
  readonly loadTimeoutMs?: number;
  /** Opens the tables that will be used: known before the first listing, their records are read once instead of twice. */
  readonly prepare?: (registry: Registry) => unknown;
}

/** A registry with what the control plane needs to know about the store behind it. */
export interface OpenRegistry extends Registry {
  /** Changes when the registry was rebuilt; revisions of different epochs cannot be compared. */
  readonly epoch: string;
  /** Milliseconds since the view was last known to be current: readiness, and whether to believe it. */
  readonly staleMs: number;
  /** Newest revision, markers included, in any of these tables. */
  newestIn(tables: ReadonlySet<string>): Revision;
}

const DEFAULTS = {
  maxAttempts: 32,
  unavailableAfterMs: 15_000,
  commitTimeoutMs: 2_000,
  markerTtlMs: 3_600_000,
  loadTimeoutMs: 30_000,
} as const;

/** A majority that answers at all answers within milliseconds. */
const OVERTAKEN_AGAIN_MS = 10;
const UNSENT_AGAIN_MS = 100;

/** Opens the registry, making its stream when there is none, and resolves when the view is current. */
export async function openRegistry(options: RegistryOptions): Promise<OpenRegistry> {
  const registry = new StreamRegistry(options);
  options.prepare?.(registry);
  await registry.load();
  return registry;
}

/** The stream of the registry: one message a subject, no direct reads, nobody may purge. */
export function registryStreamConfig(
  replicas: number,
  markerTtlMs: number,
): { readonly name: string; readonly [option: string]: unknown } {
  return {
    name: REGISTRY_STREAM,
    description: "Durable records of the Trellis control plane",
    subjects: [REGISTRY_SUBJECTS],
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: replicas,
    // One message a record: history is the audit stream's, and an expired record must not uncover an older one.
    max_msgs_per_subject: 1,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: Math.max(1, Math.round(markerTtlMs / 1_000)) * 1e9,
    allow_atomic: true,
    // Reads go to the leader or to memory; a direct read may be stale, and participants can reach that API.
    allow_direct: false,
    deny_delete: true,
    // The server insists on both for a stream with markers; only the control plane can write or purge here.
    allow_rollup_hdrs: true,
    deny_purge: false,
  };
}

class StreamRegistry implements OpenRegistry {
  readonly #nc: NatsConnection;
  readonly #log: Log;
  readonly #limits: { readonly [limit in keyof typeof DEFAULTS]: number };
  readonly #replicas: number;
  readonly #view: View;
  #follower: Follower | undefined;
  #closed = false;
  /** Decisions run again one after the other, and new ones wait for them: a replica must not fight itself. */
  #turn: Promise<unknown> = Promise.resolve();
  #contended = 0;

  constructor(options: RegistryOptions) {
    const { nc, replicas, log, prepare: _prepare, ...limits } = options;
    this.#nc = nc;
    this.#log = log ?? SILENT_LOG;
    this.#replicas = replicas;
    this.#limits = { ...DEFAULTS, ...limits };
    this.#view = new View({
      onListenerError: (error) => this.#log.error("a listener of the registry failed", { error: messageOf(error) }),
      onUnreadable: (table, id, why) =>
        this.#log.error("a record cannot be read and counts as absent", { table, id, why }),
    });
  }

  get revision(): Revision {
    return this.#view.revision;
  }

  get epoch(): string {
    return this.#follower?.epoch ?? "";
  }

  get staleMs(): number {
    return this.#follower ? performance.now() - this.#follower.currentAt : Number.POSITIVE_INFINITY;
  }

  table<T>(definition: TableDefinition<T>): Table<T> {
    return this.#view.table(definition);
  }

  newestIn(tables: ReadonlySet<string>): Revision {
    return this.#view.newestIn(tables);
  }

  onChange(listener: (changes: readonly RecordChange[]) => void): () => void {
    return this.#view.onChange(listener);
  }

  reached(revision: Revision, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#closed) return Promise.reject(new RegistryClosedError());
    return this.#view.reached(revision, options.signal);
  }

  async load(): Promise<void> {
    const { markerTtlMs, loadTimeoutMs } = this.#limits;
    const ensure = (): Promise<unknown> => ensureStream(this.#nc, registryStreamConfig(this.#replicas, markerTtlMs));
    await ensure();
    this.#follower = new Follower(this.#nc, this.#view, { log: this.#log, markerTtlMs, ensure });
    const timeout = rejectAfter(loadTimeoutMs, "the records could not be listed in time");
    try {
      await Promise.race([this.#follower.loaded, timeout.promise]);
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      timeout.cancel();
    }
    this.#sweeper = setInterval(() => this.#view.forgetMarkersBefore(Date.now() - 2 * markerTtlMs), markerTtlMs);
    this.#sweeper.unref();
  }

  #sweeper: NodeJS.Timeout | undefined;

  async transact<R>(decide: (tx: Transaction) => R): Promise<{ readonly result: R; readonly revision: Revision }> {
    if (this.#contended > 0) return this.#inTurn(() => this.#attempts(decide, 0));
    const first = await this.#attempts(decide, 1);
    if (first) return first;
    this.#contended += 1;
    try {
      return await this.#inTurn(() => this.#attempts(decide, 0));
    } finally {
      this.#contended -= 1;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#view.close();
    await this.#follower?.close();
  }

  #inTurn<R>(run: () => Promise<R>): Promise<R> {
    const mine = this.#turn.then(run, run);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  #attempts<R>(
    decide: (tx: Transaction) => R,
    only: 1,
  ): Promise<{ readonly result: R; readonly revision: Revision } | undefined>;
  #attempts<R>(decide: (tx: Transaction) => R, only: 0): Promise<{ readonly result: R; readonly revision: Revision }>;
  /** Runs the decision until it is stored. `only` 1: gives up quietly after one conflict. */
  async #attempts<R>(
    decide: (tx: Transaction) => R,
    only: 0 | 1,
  ): Promise<{ readonly result: R; readonly revision: Revision } | undefined> {
    const { maxAttempts, unavailableAfterMs } = this.#limits;
    const deadline = performance.now() + unavailableAfterMs;
    /** Attempts that may have been stored without our hearing of it, with what they decided. */
    const uncertain: { readonly attempt: Attempt; readonly result: R }[] = [];
    let conflicts = 0;
    for (;;) {
      if (this.#closed) throw new RegistryClosedError();
      const stored = uncertain.find(({ attempt }) => this.#shows(attempt));
      if (stored) return { result: stored.result, revision: this.#view.revision };
      const staged = new StagedTransaction(this.#view);
      const result = decide(staged);
      const { writes } = staged;
      if (writes.length === 0) return { result, revision: staged.revision };
      const attempt: Attempt = {
        tx: newTransactionId(),
        writes,
        expectedRevision: staged.dependsOnOthers ? staged.revision : undefined,
      };
      const outcome = await this.#commit(attempt);
      switch (outcome.kind) {
        case "committed":
          await this.#view.reached(outcome.revision);
          return { result, revision: outcome.revision };
        case "conflict":
          conflicts += 1;
          await this.#catchUp(attempt, deadline, uncertain.length > 0);
          // An attempt whose fate is open must be looked for before anybody else decides anew.
          if (only === 1 && uncertain.length === 0) return undefined;
          if (conflicts >= maxAttempts) throw new RegistryBusyError(conflicts);
          if (conflicts > 2) await sleep(Math.random() * Math.min(50, 2 ** conflicts));
          break;
        case "overtaken":
        case "unsent":
          if (performance.now() > deadline) {
            throw new RegistryUnavailableError(
              uncertain.length > 0 ? "unknown" : "not stored",
              messageOf(outcome.error),
              { cause: outcome.error },
            );
          }
          await sleep(outcome.kind === "overtaken" ? OVERTAKEN_AGAIN_MS : UNSENT_AGAIN_MS);
          break;
        case "unknown":
          uncertain.push({ attempt, result });
          await this.#catchUp(undefined, deadline, true);
      }
    }
  }

  /**
   * Whether the view has this attempt of ours, perhaps already written over. The next decision is made on the same
   * view: an attempt that lands after this look finds its expectations broken, or breaks those of the next one.
   */
  #shows(attempt: Attempt): boolean {
    const last = attempt.writes.at(-1);
    return last !== undefined && this.#view.slot(last.table, last.id)?.after.includes(attempt.tx) === true;
  }

  /** One attempt; the follower may see it stored before (or without) the acknowledgement. */
  async #commit(attempt: Attempt): ReturnType<typeof commit> {
    const seen = Promise.withResolvers<Revision>();
    const stopWatching = this.#view.watchTransaction(attempt.tx, seen.resolve);
    try {
      const { commitTimeoutMs, markerTtlMs } = this.#limits;
      return await Promise.race([
        commit(this.#nc, attempt, { timeoutMs: commitTimeoutMs, deletedTtlMs: markerTtlMs }),
        seen.promise.then((revision) => ({ kind: "committed", revision }) as const),
      ]);
    } finally {
      stopWatching();
    }
  }

  /** Waits until the view has everything that is stored now. */
  async #catchUp(refused: Attempt | undefined, deadline: number, uncertain: boolean): Promise<void> {
    const fate = uncertain ? "unknown" : "not stored";
    const { lastSeq } = await this.#untilAnswered(() => streamState(this.#nc, REGISTRY_STREAM), deadline, fate);
    if (lastSeq > this.#view.revision) await this.#reachOrPull(lastSeq, deadline, fate);
    if (!refused) return;
    // A marker can vanish without a message: ask what the subject really has before expecting the same again.
    for (const write of refused.writes) {
      const slot = this.#view.slot(write.table, write.id);
      if (slot?.state === "present" || slot?.state === "unreadable") continue;
      const subject = recordSubject(write.table, write.id);
      const stored = await this.#untilAnswered(
        () => storedMessage(this.#nc, REGISTRY_STREAM, { last_by_subj: subject }),
        deadline,
        fate,
      );
      if (stored === undefined || stored.seq <= this.#view.revision)
        this.#view.correctMarker(write.table, write.id, stored?.seq);
    }
  }

  /** The follower is nearly always fast enough; else the leader is read, which also tells when the rest has expired. */
  async #reachOrPull(lastSeq: Revision, deadline: number, fate: "not stored" | "unknown"): Promise<void> {
    while (this.#view.revision < lastSeq) {
      const waitMs = Math.min(300, Math.max(1, deadline - performance.now()));
      try {
        await this.#view.reached(lastSeq, AbortSignal.timeout(waitMs));
      } catch (error) {
        if (this.#closed) throw error;
        await this.#untilAnswered(async () => this.#follower?.pull(), deadline, fate);
        if (performance.now() > deadline) throw new RegistryUnavailableError(fate, "this replica's view does not move");
      }
    }
  }

  async #untilAnswered<R>(ask: () => Promise<R>, deadline: number, fate: "not stored" | "unknown"): Promise<R> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (this.#closed) throw new RegistryClosedError();
        if (performance.now() > deadline) throw new RegistryUnavailableError(fate, messageOf(error), { cause: error });
        await sleep(100);
      }
    }
  }
}

/** Short on purpose: every record remembers a few. 72 random bits. */
function newTransactionId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(9))).toString("base64url");
}

function rejectAfter(ms: number, why: string): { readonly promise: Promise<never>; readonly cancel: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new RegistryUnavailableError("not stored", why)), ms);
  return { promise, cancel: () => clearTimeout(timer) };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
