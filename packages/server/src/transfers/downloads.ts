import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import { transferControlSubject, transferSubject } from "@trellis/contracts";
import {
  LIMITS,
  newInboxOwner,
  newTransferId,
  parseTransferOpening,
  TransferError,
  TransportError,
  ValidationError,
} from "@trellis/protocol";
import type { Sha256Stream, TransferGrant } from "@trellis/protocol";
import type { ServiceLimits } from "../limits.ts";
import type { PlatformClock } from "../request-check.ts";
import { OpenStreams } from "../streams/open-streams.ts";
import type { OpenStreamsOptions } from "../streams/open-streams.ts";
import type { Refusal, StreamDoor, Visitor } from "../streams/stream-door.ts";
import { DownloadStream } from "./download-stream.ts";
import type { TransferSource } from "./transfer-source.ts";

export interface DownloadsOptions extends Omit<OpenStreamsOptions, "heartbeatMs"> {
  readonly link: Link;
  readonly door: StreamDoor;
  /** The deployment, as it stands in the subjects. */
  readonly service: string;
  /** Tells this replica from its siblings in the control subjects. */
  readonly instanceId: string;
  readonly clock: PlatformClock;
  readonly limits: ServiceLimits;
  readonly newHash: () => Sha256Stream;
}

/** Who asked for a download, and by what. */
export interface DownloadAsked {
  /** The RPC. */
  readonly name: string;
  readonly required: readonly string[];
  readonly sessionKey: string;
}

interface Granted {
  readonly asked: DownloadAsked;
  readonly grant: TransferGrant;
  readonly source: TransferSource;
  subscription: LinkSubscription | undefined;
  expiry: ReturnType<typeof setTimeout> | undefined;
  stream: DownloadStream | undefined;
  /** A source that can be read once only has been. */
  used: boolean;
}

/**
 * The downloads this replica has granted.
 *
 * 1. A grant belongs to the session that asked and to this replica: nobody else can open it, and for everybody else it
 *    does not exist.
 * 2. It lives while it is open, and for a while when it is not; a receiver that lost its replica asks for another.
 * 3. Opening it again ends the stream there was.
 */
export class Downloads {
  readonly #options: DownloadsOptions;
  readonly #granted = new Map<string, Granted>();
  readonly #bySession = new Map<string, number>();
  readonly #open: OpenStreams;
  #draining = false;

  constructor(options: DownloadsOptions) {
    this.#options = options;
    this.#open = new OpenStreams({ ...options, heartbeatMs: options.limits.transferHeartbeatMs });
  }

  /** Downloads that are moving now. */
  get moving(): number {
    return this.#open.size;
  }

  /** Lets one caller have the bytes of a source; the error is for the caller. */
  grant(asked: DownloadAsked, source: TransferSource): TransferGrant | TransportError {
    const full = this.#full(asked.sessionKey);
    if (full !== undefined) return full;
    const { link, service, clock, limits } = this.#options;
    const transferId = newTransferId();
    const subject = transferSubject("download", service, transferId);
    const { info, contentType, metadata } = source;
    const grant: TransferGrant = {
      type: "TransferGrant",
      direction: "receive",
      service,
      transferId,
      subject,
      expiresAt: new Date(clock.nowMs() + limits.transferIdleMs).toISOString(),
      chunkBytes: LIMITS.transferChunkBytes,
      info,
      ...(contentType === undefined ? {} : { contentType }),
      ...(metadata === undefined ? {} : { metadata }),
    };
    const granted: Granted = {
      asked,
      grant,
      source,
      subscription: undefined,
      expiry: undefined,
      stream: undefined,
      used: false,
    };
    granted.subscription = link.subscribe(subject, { onMessage: (message) => this.#receive(granted, message) });
    this.#granted.set(transferId, granted);
    this.#bySession.set(asked.sessionKey, (this.#bySession.get(asked.sessionKey) ?? 0) + 1);
    this.#expireLater(granted);
    return grant;
  }

  /** Receivers that can go on elsewhere are told to; the others get this long. */
  async drain(withinMs: number): Promise<{ readonly left: number }> {
    this.#draining = true;
    for (const granted of this.#granted.values()) {
      granted.subscription?.close();
      if (granted.stream?.restarts === true) granted.stream.refuse(drained());
    }
    await this.#open.settled(withinMs);
    const result = await this.#open.drain(drained(), 0);
    this.close();
    return result;
  }

  /** Ends at once, without a word. */
  close(): void {
    this.#draining = true;
    for (const granted of this.#granted.values()) this.#forget(granted);
    this.#open.close();
  }

  #full(sessionKey: string): TransportError | undefined {
    const { maxTransferGrants, maxTransferGrantsPerSession } = this.#options.limits;
    if (this.#draining) return drained();
    if (this.#granted.size >= maxTransferGrants)
      return overloaded(
        `This replica has granted ${maxTransferGrants} downloads and gives no more (maxTransferGrants).`,
      );
    if ((this.#bySession.get(sessionKey) ?? 0) >= maxTransferGrantsPerSession)
      return overloaded(
        `This session has ${maxTransferGrantsPerSession} downloads at this replica, which is all it may have (maxTransferGrantsPerSession).`,
      );
    return undefined;
  }

  #receive(granted: Granted, message: LinkMessage): void {
    const { asked, grant } = granted;
    const { name, required } = asked;
    this.#options.door.receive({ name, kind: "transfer", subject: grant.subject, required }, message, (visitor) =>
      this.#tryOpen(granted, visitor),
    );
  }

  #tryOpen(granted: Granted, visitor: Visitor): Refusal | undefined {
    const { limits, service, instanceId, newHash } = this.#options;
    const { asked, grant, source } = granted;
    const { sessionKey } = visitor.request;
    if (this.#draining) return drained();
    if (sessionKey !== asked.sessionKey || !this.#granted.has(grant.transferId))
      return new TransferError("unknown_transfer");
    const opening = parseTransferOpening(visitor.request.payload);
    if (opening === undefined)
      return new ValidationError([{ path: "", message: "The payload does not open a transfer." }]);
    if (granted.used) return new TransferError("interrupted");
    granted.stream?.refuse(new TransferError("taken"));
    if (this.#open.size >= limits.maxOpenTransfers)
      return overloaded(
        `This replica moves ${limits.maxOpenTransfers} downloads and begins no more at the moment (maxOpenTransfers).`,
      );
    if (this.#open.openBy(sessionKey) >= limits.maxOpenTransfersPerSession)
      return overloaded(
        `This session has ${limits.maxOpenTransfersPerSession} downloads moving at this replica, which is all it may have (maxOpenTransfersPerSession).`,
      );
    granted.used = !source.restarts;
    clearTimeout(granted.expiry);
    const stream = new DownloadStream(
      {
        ...visitor,
        what: `the download of ${asked.name}`,
        logFields: { transfer: asked.name },
        required: asked.required,
        control: transferControlSubject(service, instanceId, newInboxOwner()),
        grant,
        source,
        after: opening.after,
        credits: limits.transferCredits,
        newHash,
        onReceived: () => this.#forget(granted),
      },
      this.#open.host,
    );
    granted.stream = stream;
    this.#open.add(stream);
    void stream.run(limits.transferHeartbeatMs).then(() => {
      if (granted.stream !== stream) return;
      granted.stream = undefined;
      this.#expireLater(granted);
    });
    return undefined;
  }

  #expireLater(granted: Granted): void {
    if (!this.#granted.has(granted.grant.transferId)) return;
    clearTimeout(granted.expiry);
    granted.expiry = setTimeout(() => this.#forget(granted), this.#options.limits.transferIdleMs);
  }

  #forget(granted: Granted): void {
    clearTimeout(granted.expiry);
    granted.subscription?.close();
    const { sessionKey } = granted.asked;
    if (!this.#granted.delete(granted.grant.transferId)) return;
    const left = (this.#bySession.get(sessionKey) ?? 1) - 1;
    if (left > 0) this.#bySession.set(sessionKey, left);
    else this.#bySession.delete(sessionKey);
  }
}

function overloaded(message: string): TransportError {
  return new TransportError("overloaded", {
    message,
    hint: "Try again when others have ended, or run more replicas.",
  });
}

/** What a receiver hears from a replica that is about to stop. */
function drained(): TransportError {
  return new TransportError("retry_later", {
    message: "This replica of the service is being stopped.",
    hint: "Ask for the file again: another replica goes on.",
  });
}
