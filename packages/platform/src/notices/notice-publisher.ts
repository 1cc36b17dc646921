import type { NatsConnection } from "@nats-io/nats-core";
import {
  AUTH_CHANGES,
  encodeAuthChange,
  encodeSessionNotice,
  inboxPrefix,
  sessionNoticeSubject,
  TRELLIS_SUBJECTS,
} from "@trellis/protocol";
import type { SessionNotice } from "@trellis/protocol";
import type { Log } from "../log.ts";
import type { SecurityChange, SecurityChanges } from "./security-changes.ts";

/** A change that concerns more than this names nobody, and everybody looks: shorter than the list. */
const MAX_NAMED = 5_000;
/** A replica whose view is older than this does not know the newest change and must not claim to: it falls silent. */
const MAX_STALE_MS = 3_000;

export interface NoticePublisherOptions {
  /** Connection to the account of the participants. */
  readonly nc: NatsConnection;
  readonly changes: SecurityChanges;
  /** How old the registry view is. */
  readonly staleMs: () => number;
  /** The name of this replica. */
  readonly origin: string;
  readonly log: Log;
  readonly beatMs?: number;
}

/** Tells participants what changed: the chain with its beats for services, and notices for single sessions. */
export class NoticePublisher {
  readonly #options: NoticePublisherOptions;
  readonly #stop: () => void;
  readonly #timer: NodeJS.Timeout;

  constructor(options: NoticePublisherOptions) {
    this.#options = options;
    this.#stop = options.changes.onChange((change) => this.#tell(change));
    this.#timer = setInterval(() => this.#beat(), options.beatMs ?? AUTH_CHANGES.beatMs);
    this.#timer.unref();
    this.#beat();
  }

  /** A notice to every runtime that listens under this session key. */
  notify(sessionKey: string, notice: SessionNotice): void {
    this.#publish(sessionNoticeSubject(inboxPrefix(sessionKey)), encodeSessionNotice(notice));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stop();
  }

  #beat(): void {
    const { changes, origin, staleMs } = this.#options;
    if (staleMs() > MAX_STALE_MS) return;
    const { revision, epoch } = changes;
    this.#publish(
      TRELLIS_SUBJECTS.authChanges,
      encodeAuthChange({ kind: "beat", origin, previous: revision, revision, epoch }),
    );
  }

  #tell(change: SecurityChange): void {
    const { previous, revision, epoch, affected } = change;
    const named =
      affected !== "everybody" &&
      affected.sessions.length + affected.principals.length + affected.deployments.length <= MAX_NAMED;
    this.#publish(
      TRELLIS_SUBJECTS.authChanges,
      encodeAuthChange({
        kind: "change",
        origin: this.#options.origin,
        previous,
        revision,
        epoch,
        ...(named ? affected : {}),
      }),
    );
    for (const sessionKey of change.revoked) this.notify(sessionKey, { type: "revoked", revision });
  }

  #publish(subject: string, data: Uint8Array): void {
    try {
      this.#options.nc.publish(subject, data);
    } catch (error) {
      // The connection is closed: receivers notice the silence and ask.
      this.#options.log.warn("a notice could not be sent", {
        subject,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
}
