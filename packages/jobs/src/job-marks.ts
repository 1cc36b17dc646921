import { MsgHdrsImpl } from "@nats-io/nats-core";
import type { Link } from "@trellis/client/internal";
import { jobMarkSubject, JOBS_MARKS_STREAM } from "@trellis/contracts";
import { readLast, storeMessage } from "./stream-store.ts";

/**
 * `unique`: who holds a unique key. `seat`: who runs of a group. `rate`: what began last. `worker`: who works.
 */
export type MarkKind = "unique" | "seat" | "rate" | "worker";

/** The newest value of a mark; sequence 0 and no value when it was never set. */
export interface Mark {
  readonly sequence: number;
  readonly value: unknown;
  /** When the stream took it, in milliseconds. */
  readonly at: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Longer than a server takes to restart. */
const SET_MS = 20_000;

/** What the replicas and creators of one queue agree on: named values that are replaced by compare-and-set. */
export class JobMarks {
  readonly #link: Link;
  readonly #service: string;
  readonly #queue: string;

  constructor(link: Link, service: string, queue: string) {
    this.#link = link;
    this.#service = service;
    this.#queue = queue;
  }

  async read(
    kind: MarkKind,
    name: string,
    options: { readonly atLeast?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Mark> {
    const found = await readLast(this.#link, JOBS_MARKS_STREAM, [this.#subject(kind, name)], options);
    if (found === undefined) return { sequence: 0, value: undefined, at: 0 };
    return { sequence: found.sequence, value: readJson(found.data), at: Date.parse(found.time) };
  }

  /** Sets it while it still is at `sequence`; the answer is its new sequence, or nothing when another was first. */
  async set(
    kind: MarkKind,
    name: string,
    value: object,
    sequence: number,
    signal?: AbortSignal,
  ): Promise<number | undefined> {
    const headers = new MsgHdrsImpl();
    headers.headers.set("Nats-Expected-Last-Subject-Sequence", [String(sequence)]);
    const data = encoder.encode(JSON.stringify(value));
    const stored = await storeMessage(this.#link, this.#subject(kind, name), data, headers, {
      withinMs: SET_MS,
      signal,
    });
    return stored.kind === "stored" ? stored.sequence : undefined;
  }

  /** Sets it whatever it was, for so long; nobody waits for it. */
  show(kind: MarkKind, name: string, value: object, ttlMs: number): void {
    const headers = new MsgHdrsImpl();
    headers.headers.set("Nats-TTL", [`${Math.ceil(ttlMs / 1_000)}s`]);
    this.#link.publish(this.#subject(kind, name), encoder.encode(JSON.stringify(value)), { headers });
  }

  #subject(kind: MarkKind, name: string): string {
    return jobMarkSubject(this.#service, this.#queue, kind, name);
  }
}

function readJson(data: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(data));
  } catch {
    return undefined;
  }
}
