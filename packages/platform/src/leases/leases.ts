import { pause } from "@trellis/client/internal";
import type { NatsConnection } from "@nats-io/nats-core";
import type { Log } from "../log.ts";
import { ensureStream, headersOf, isConflict, publishStored } from "../registry/jetstream-api.ts";
import type { WantedStream } from "../registry/jetstream-api.ts";
import { latestOnlyStream } from "../registry/latest-only-stream.ts";

/** Leases live in a stream of their own, one message a lease; a lease nobody renews is gone when its time is up. */
export const LEASES_STREAM = "LEASES";

const encoder = new TextEncoder();

export interface LeasesOptions {
  readonly nc: NatsConnection;
  readonly replicas: 1 | 3;
  /** Who holds it, for people who look. */
  readonly owner: string;
}

export function leasesStream(replicas: 1 | 3): WantedStream {
  const description = "Leases of the control plane's singleton loops";
  return latestOnlyStream({ name: LEASES_STREAM, description, subjects: ["leases.>"] }, replicas);
}

/** One lease in our hands. */
export interface Lease {
  readonly name: string;
  /** False when somebody else has it now, or nobody could be asked. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

/** Exclusive leases: at most one owner at a time, as far as clocks and networks allow (so the work must be idempotent). */
export class Leases {
  readonly #options: LeasesOptions;

  private constructor(options: LeasesOptions) {
    this.#options = options;
  }

  static async open(options: LeasesOptions): Promise<Leases> {
    await ensureStream(options.nc, leasesStream(options.replicas));
    return new Leases(options);
  }

  /** The lease, when nobody else has it. Throws when the store does not answer. */
  async take(name: string, ttlMs: number): Promise<Lease | undefined> {
    let sequence = await this.#write(name, ttlMs, 0);
    if (sequence === undefined) return undefined;
    return {
      name,
      renew: async () => {
        if (sequence === undefined) return false;
        sequence = await this.#write(name, ttlMs, sequence).catch(() => undefined);
        return sequence !== undefined;
      },
      release: async () => {
        // The shortest life there is: the next owner waits a second instead of the whole lease.
        if (sequence !== undefined) await this.#write(name, 1_000, sequence).catch(() => undefined);
        sequence = undefined;
      },
    };
  }

  async #write(name: string, ttlMs: number, expected: number): Promise<number | undefined> {
    const { nc, owner } = this.#options;
    try {
      const ack = await publishStored(nc, `leases.${name}`, encoder.encode(JSON.stringify({ owner })), {
        headers: headersOf({
          "Nats-TTL": `${Math.max(1, Math.ceil(ttlMs / 1_000))}s`,
          "Nats-Expected-Last-Subject-Sequence": String(expected),
        }),
        timeoutMs: Math.min(2_000, ttlMs / 2),
      });
      return ack.seq;
    } catch (error) {
      if (isConflict(error)) return undefined;
      throw error;
    }
  }
}

export interface SingletonOptions {
  readonly leases: Leases;
  readonly name: string;
  readonly ttlMs?: number;
  readonly log: Log;
  /** Runs while the lease is ours; the signal ends it. When it returns or throws it is started again after a pause. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

const LEASE_TTL_MS = 10_000;
const RESTART_MS = 1_000;

/** A loop that one replica at a time runs. Survives everything but `close`, which ends it and gives the lease back. */
export function runSingleton(options: SingletonOptions): { readonly held: () => boolean; close(): Promise<void> } {
  const { leases, name, log, run, ttlMs = LEASE_TTL_MS } = options;
  const closing = new AbortController();
  let held = false;

  const lead = async (lease: Lease): Promise<void> => {
    const lost = new AbortController();
    const signal = AbortSignal.any([closing.signal, lost.signal]);
    let renewedAt = performance.now();
    const timer = setInterval(() => {
      void lease.renew().then((renewed) => {
        if (renewed) renewedAt = performance.now();
        // One renewal that fails is not the end while the lease still lasts; being overtaken is.
        else lost.abort();
      });
      if (performance.now() - renewedAt > ttlMs) lost.abort();
    }, ttlMs / 3);
    try {
      while (!signal.aborted) {
        try {
          await run(signal);
        } catch (error) {
          log.error("a singleton loop failed and starts again", { loop: name, error: messageOf(error) });
        }
        await pause(RESTART_MS, signal);
      }
    } finally {
      clearInterval(timer);
      await lease.release();
    }
  };

  const loop = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        const lease = await leases.take(name, ttlMs);
        if (lease) {
          held = true;
          await lead(lease);
          held = false;
        }
      } catch (error) {
        held = false;
        log.debug("a lease could not be asked for", { loop: name, error: messageOf(error) });
      }
      await pause(Math.min(2_000, ttlMs / 3) * (0.75 + Math.random() / 2), closing.signal);
    }
  };

  const running = loop();
  return {
    held: () => held,
    close: async () => {
      closing.abort();
      await running;
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
