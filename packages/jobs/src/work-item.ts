import type { Link } from "@trellis/client/internal";
import type { JobRecordBody } from "./job-record.ts";

/** What the work queue has handed to this worker, and what is said about it. */
export interface WorkItem {
  /** The sequence of the record the present life of its jobs began with. */
  readonly life: number;
  /** The claim of a pack under which its job may have been begun and ended already. */
  readonly after: string | undefined;
  /** This job needs it no more. */
  done(): void;
  /** This job is to come again after so long. */
  later(job: JobRecordBody, delayMs: number): void;
  /** Others are to be kept from it. */
  alive(): void;
}

const NS_PER_MS = 1_000_000;
const encoder = new TextEncoder();
const ACK = encoder.encode("+ACK");
const WORKING = encoder.encode("+WPI");
/** The jobs of a pack say that they are alive all at once. */
const ALIVE_AGAIN_MS = 100;

/** What the work queue hands out with one delivery. */
export interface HandedOut {
  /** It was handed out again, to this worker. */
  again(reply: string): void;
}

/** Stores an item for one job of a pack. */
export type HandOn = (job: JobRecordBody, delayMs: number, after: string | undefined) => Promise<void>;

/** The work of one job. */
export class SingleItem implements WorkItem, HandedOut {
  readonly life: number;
  readonly after: string | undefined;
  readonly #link: Pick<Link, "publish">;
  #reply: string;

  constructor(link: Pick<Link, "publish">, reply: string, life: number, after: string | undefined) {
    this.#link = link;
    this.#reply = reply;
    this.life = life;
    this.after = after;
  }

  done(): void {
    say(this.#link, this.#reply, ACK);
  }

  later(_job: JobRecordBody, delayMs: number): void {
    say(this.#link, this.#reply, delayed(delayMs));
  }

  alive(): void {
    say(this.#link, this.#reply, WORKING);
  }

  again(reply: string): void {
    this.#reply = reply;
  }
}

/** The work of several jobs: acknowledged when none of them needs it any more. */
export class PackItem implements HandedOut {
  readonly life: number;
  /** The claim of the pack, once it is known. */
  after: string | undefined;
  readonly #link: Pick<Link, "publish">;
  readonly #handOn: HandOn;
  #reply: string;
  #left: number;
  #aliveAt = 0;

  constructor(
    link: Pick<Link, "publish">,
    reply: string,
    pack: {
      readonly life: number;
      readonly size: number;
      readonly handOn: HandOn;
    },
  ) {
    this.#link = link;
    this.#reply = reply;
    this.life = pack.life;
    this.#left = pack.size;
    this.#handOn = pack.handOn;
  }

  /** The part of one of its jobs. */
  part(): WorkItem {
    return new PartOfPack(this);
  }

  /** So many of its jobs need it no more. */
  without(jobs: number): void {
    if (jobs === 0) return;
    this.#left -= jobs;
    if (this.#left === 0) say(this.#link, this.#reply, ACK);
  }

  /** This job becomes an item of its own, so that it keeps none of the others waiting. */
  handOn(job: JobRecordBody, delayMs: number): void {
    this.#handOn(job, delayMs, this.after).then(
      () => this.without(1),
      // The pack comes again instead, and with it this job.
      () => undefined,
    );
  }

  alive(): void {
    const now = performance.now();
    if (now - this.#aliveAt < ALIVE_AGAIN_MS) return;
    this.#aliveAt = now;
    say(this.#link, this.#reply, WORKING);
  }

  again(reply: string): void {
    this.#reply = reply;
  }

  /** All of it is to come again after so long. */
  giveBack(delayMs: number): void {
    say(this.#link, this.#reply, delayed(delayMs));
  }
}

/**
 * What one job says of the work of its pack. It counts once: a run may hear that its job has ended both from whoever ended it and from
 * the refusal of its own end, and if both counted, the pack would be acknowledged while another of its jobs needs it.
 */
class PartOfPack implements WorkItem {
  readonly #pack: PackItem;
  #over = false;

  constructor(pack: PackItem) {
    this.#pack = pack;
  }

  get life(): number {
    return this.#pack.life;
  }

  get after(): string | undefined {
    return this.#pack.after;
  }

  done(): void {
    if (this.#isOver()) return;
    this.#pack.without(1);
  }

  later(job: JobRecordBody, delayMs: number): void {
    if (this.#isOver()) return;
    this.#pack.handOn(job, delayMs);
  }

  alive(): void {
    this.#pack.alive();
  }

  #isOver(): boolean {
    const over = this.#over;
    this.#over = true;
    return over;
  }
}

function say(link: Pick<Link, "publish">, reply: string, what: Uint8Array): void {
  try {
    link.publish(reply, what);
  } catch {
    // Without a connection the item comes again, and its jobs are found ended.
  }
}

function delayed(delayMs: number): Uint8Array {
  return encoder.encode(delayMs <= 0 ? "-NAK" : `-NAK {"delay": ${Math.round(delayMs) * NS_PER_MS}}`);
}
