import type { Link, LinkMessage } from "@trellis/client/internal";
import { LIMITS } from "@trellis/protocol";
import type { CallSurroundings } from "../call.ts";
import type { RequestCheck } from "../request-check.ts";
import type { SessionDirectory } from "../session-directory.ts";
import { Outbox } from "./outbox.ts";
import { carriesProof, Peers } from "./peers.ts";
import type { ServedStream, StreamHost } from "./served-stream.ts";

export interface OpenStreamsOptions {
  readonly link: Link;
  readonly check: RequestCheck;
  readonly sessions: SessionDirectory;
  readonly surroundings: CallSurroundings;
  /** How often both sides say that they live. */
  readonly heartbeatMs: number;
}

/** How often peers, heartbeats and silence are looked at: well under the second a revoked peer may go on. */
const SWEEP_MS = 125;

/**
 * The streams of one kind that are open at this replica.
 *
 * 1. A stream takes control messages on a subject of its own whose last token, 132 random bits, only its peer was
 *    told. Nobody else is heard there, and a session proves itself only for its own streams.
 * 2. A peer that is silent for three heartbeats, or may not go on any more, ends its stream.
 */
export class OpenStreams {
  /** For the streams that are to be added. */
  readonly host: StreamHost;
  readonly #link: Link;
  readonly #heartbeatMs: number;
  readonly #peers: Peers;
  readonly #outbox: Outbox;
  readonly #open = new Set<ServedStream>();
  /** Streams that something is at work for, ended ones too. */
  readonly #working = new Set<ServedStream>();
  #sweeping: ReturnType<typeof setInterval> | undefined;
  #reconnectedAt = Number.NEGATIVE_INFINITY;
  /** Sweeps so far. Silence is counted in them, not in time: a process that was held up has not listened. */
  #sweeps = 0;
  readonly #stopListening: () => void;
  #idle: (() => void) | undefined;

  constructor({ link, check, sessions, surroundings, heartbeatMs }: OpenStreamsOptions) {
    this.#link = link;
    this.#heartbeatMs = heartbeatMs;
    this.#peers = new Peers({ sessions, check, patienceMs: heartbeatMs * LIMITS.streamMissedHeartbeats });
    this.#outbox = new Outbox(link);
    this.host = {
      ...surroundings,
      link,
      outbox: this.#outbox,
      mayGoOn: (stream) => this.#peers.mayGoOn(stream),
      onOver: (stream) => this.#over(stream),
      onSettled: (stream) => {
        this.#working.delete(stream);
        if (this.#working.size === 0) this.#idle?.();
      },
    };
    this.#stopListening = link.onState((state) => {
      if (state === "connected") this.#cameBack();
    });
  }

  /** Streams open now. */
  get size(): number {
    return this.#open.size;
  }

  /** Those that one session has open here. */
  openBy(sessionKey: string): number {
    return this.#peers.openBy(sessionKey);
  }

  /** Hears and looks after a stream from here on, until it is over. */
  add(stream: ServedStream): void {
    stream.heardAt = this.#sweeps;
    stream.subscription = this.#link.subscribe(stream.control, {
      onMessage: (message) => this.#control(stream, message),
    });
    this.#open.add(stream);
    this.#working.add(stream);
    this.#peers.add(stream);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS);
  }

  /** Ends every stream with an error that lets its peer go on elsewhere; answers how many are still at work when time is up. */
  async drain(error: Error & { readonly type: string }, withinMs: number): Promise<{ readonly left: number }> {
    for (const stream of this.#open) stream.refuse(error);
    this.#outbox.flush();
    await this.settled(withinMs);
    this.close();
    return { left: this.#working.size };
  }

  /** Resolves when nothing is at work for any stream, or time is up. */
  settled(withinMs: number): Promise<void> {
    if (this.#working.size === 0) return Promise.resolve();
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Ends at once, without a word. */
  close(): void {
    this.#stopListening();
    for (const stream of this.#open) stream.leave();
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  #control(stream: ServedStream, message: LinkMessage): void {
    if (stream.over || message.subject !== stream.control || !stream.hear(message)) return;
    stream.heardAt = this.#sweeps;
    if (carriesProof(message)) void this.#peers.prove(stream, message);
  }

  #sweep(): void {
    // Nobody can be heard or told anything; the peers' time begins when we are back.
    if (this.#link.state !== "connected") return;
    const now = performance.now();
    this.#sweeps += 1;
    this.#peers.sweep(now, this.#reconnectedAt);
    const silentSince = this.#sweeps - (this.#heartbeatMs * LIMITS.streamMissedHeartbeats) / SWEEP_MS;
    const idleSince = now - this.#heartbeatMs;
    for (const stream of this.#open) {
      if (stream.heardAt < silentSince) {
        stream.log.debug("The other end of a stream fell silent.");
        stream.leave();
      } else if (stream.toldAt <= idleSince) stream.heartbeat(false);
    }
  }

  /** Messages may have been lost with the old connection: every peer hears at once what it should have. */
  #cameBack(): void {
    this.#reconnectedAt = performance.now();
    for (const stream of this.#open) {
      stream.heardAt = this.#sweeps;
      stream.heartbeat(false);
      stream.poke();
    }
  }

  #over(stream: ServedStream): void {
    this.#open.delete(stream);
    this.#peers.remove(stream);
    if (this.#open.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }
}
