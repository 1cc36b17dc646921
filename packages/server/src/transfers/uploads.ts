import type { LinkMessage, LinkSubscription } from "@trellis/client/internal";
import { transferControlSubject, transferSubject } from "@trellis/contracts";
import type { Json, OperationManifest } from "@trellis/contracts";
import {
  AuthError,
  isJsonObject,
  LIMITS,
  newInboxOwner,
  newTransferId,
  parseTransferOpening,
  TransferError,
  TransportError,
  ValidationError,
} from "@trellis/protocol";
import type { TransferGrant } from "@trellis/protocol";
import type { ServiceLimits } from "../limits.ts";
import type { PlatformClock } from "../request-check.ts";
import { giveUp, ObjectUpload } from "../store/object-upload.ts";
import { requireRoom } from "../store/require-room.ts";
import { digestOf, toObject } from "../store/object-layout.ts";
import { StoreError, toStoreError } from "../store/store-error.ts";
import { findObject } from "../store/store-parts.ts";
import type { StoreParts } from "../store/store-parts.ts";
import type { StoredObject } from "../store/store-types.ts";
import type { FoundRecord, TransferTerms, UploadRecord } from "../store/upload-records.ts";
import { OpenStreams } from "../streams/open-streams.ts";
import type { OpenStreamsOptions } from "../streams/open-streams.ts";
import type { Refusal, StreamDoor, Visitor } from "../streams/stream-door.ts";
import { ReceivedUpload, tooLarge } from "./received-upload.ts";
import { NO_PURPOSE } from "./upload-purpose.ts";
import type { UploadPurpose } from "./upload-purpose.ts";
import { UploadStream } from "./upload-stream.ts";

/** What became of an upload. */
export type UploadState =
  | { readonly kind: "stored"; readonly object: StoredObject }
  /** It may still come; without a sign of life, until then (in milliseconds since 1970). */
  | { readonly kind: "waiting"; readonly until: number }
  | { readonly kind: "gone" };

export interface UploadsOptions extends Omit<OpenStreamsOptions, "heartbeatMs"> {
  readonly door: StreamDoor;
  /** Replicas of the deployment share openings through this queue group. */
  readonly queue: string;
  readonly service: string;
  readonly instanceId: string;
  readonly clock: PlatformClock;
  readonly limits: ServiceLimits;
  /** The operations of the contract: some take a file. */
  readonly operations: { readonly [name: string]: OperationManifest };
  readonly storeOf: (alias: string) => StoreParts | undefined;
}

/** A grant that nobody has finished. */
interface Granted {
  readonly owner: string;
  readonly expiry: ReturnType<typeof setTimeout>;
  readonly unfollow: () => void;
}

/** What is to be uploaded, by whom and for what. */
export interface UploadAsked extends Omit<TransferTerms, "idleMs"> {
  /** Alias of the store. */
  readonly store: string;
  /** The object's name there. */
  readonly name: string;
  /** How long it may stand still; `transferUploadIdleMs` unless the contract says. */
  readonly idleMs?: number | undefined;
}

/**
 * The uploads of a deployment. A grant is a record in the store itself, so every replica knows it and any can go on where
 * another died.
 *
 * 1. Who opens it has to be the principal it was granted to, whatever the session; for everybody else it does not exist.
 * 2. The replica that goes on takes the record over by compare-and-set; the one before can then neither finish nor remove.
 * 3. A file that is not wanted any more is given up by whoever receives it, or by whoever granted it while nobody has begun:
 *    chunks that are written after they were removed would be nobody's.
 */
export class Uploads {
  readonly #options: UploadsOptions;
  readonly #open: OpenStreams;
  /** What this replica is receiving, with or without a stream. */
  readonly #received = new Map<string, ReceivedUpload>();
  /** Of this replica. */
  readonly #granted = new Map<string, Granted>();
  /** Aliases of the stores that uploads go to. */
  readonly #stores: readonly string[];
  #subscription: LinkSubscription | undefined;
  #purpose = NO_PURPOSE;
  #draining = false;

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.#stores = [...new Set(Object.values(options.operations).flatMap(({ transfer }) => transfer?.store ?? []))];
    this.#open = new OpenStreams({ ...options, heartbeatMs: options.limits.transferHeartbeatMs });
  }

  /** Hears of every file that was stored, before its sender does, and of those that will not come. */
  set purpose(purpose: UploadPurpose) {
    this.#purpose = purpose;
  }

  /** Takes openings from here on. */
  start(): void {
    const { link, service, queue } = this.#options;
    if (this.#stores.length === 0) return;
    this.#subscription = link.subscribe(transferSubject("upload", service, "*"), {
      queue,
      onMessage: (message) => this.#receive(message),
    });
  }

  /** Lets somebody upload one file; a `Refusal` is for the caller. */
  async grant(asked: UploadAsked): Promise<TransferGrant | Refusal> {
    const full = this.#full(asked.owner);
    if (full !== undefined) return full;
    const { store, name, idleMs = this.#options.limits.transferUploadIdleMs, ...terms } = asked;
    const { service, clock, storeOf } = this.#options;
    const parts = storeOf(store);
    if (parts === undefined)
      return new TransferError("unavailable", { message: `The platform has no store ${store} for this service yet.` });
    const transferId = newTransferId();
    const transfer: TransferTerms = { ...terms, ...roomIn(parts, terms.maxBytes), idleMs };
    const record: UploadRecord = { name, state: "uploading", transfer };
    let sequence: number;
    try {
      requireRoom(parts.binding(), name, 0);
      sequence = await parts.records.write(transferId, record, 0);
    } catch (thrown) {
      return refusalOf(toStoreError(thrown, parts.bucket, name));
    }
    this.#granted.set(transferId, {
      owner: asked.owner,
      expiry: setTimeout(() => void this.#expire(transferId, parts), idleMs),
      unfollow: this.#purpose.follow(transfer, (why) => {
        this.#settle(transferId);
        // Refused when somebody has begun, who hears of it as well.
        if (why !== undefined) void giveUp(parts, transferId, record, sequence).catch(() => undefined);
      }),
    });
    return {
      type: "TransferGrant",
      direction: "send",
      service,
      transferId,
      subject: transferSubject("upload", service, transferId),
      expiresAt: new Date(clock.nowMs() + idleMs).toISOString(),
      chunkBytes: LIMITS.transferChunkBytes,
      ...(transfer.maxBytes === undefined ? {} : { maxBytes: transfer.maxBytes }),
      ...(transfer.contentType === undefined ? {} : { contentType: transfer.contentType }),
      ...(transfer.metadata === undefined ? {} : { metadata: transfer.metadata }),
    };
  }

  /** Lets the owner of an operation upload its file, as the contract says; nothing for one that takes none. */
  async grantFor(asked: {
    readonly operation: string;
    readonly ref: string;
    readonly owner: string;
    readonly input: Json;
  }): Promise<TransferGrant | Refusal | undefined> {
    const { operation, input, ...rest } = asked;
    const transfer = this.#options.operations[operation]?.transfer;
    if (transfer === undefined) return undefined;
    const { store, key, contentType, metadata, expiresInMs, maxBytes } = transfer;
    const name = valueOf(input, key);
    if (typeof name !== "string" || name === "")
      return new ValidationError([
        { path: key, message: "It names the file, so it has to be a text that is not empty." },
      ]);
    const kind = contentType === undefined ? undefined : valueOf(input, contentType);
    const words = metadata === undefined ? undefined : valueOf(input, metadata);
    return this.grant({
      ...rest,
      operation,
      store,
      name,
      maxBytes,
      idleMs: expiresInMs,
      ...(typeof kind === "string" ? { contentType: kind } : {}),
      ...(isJsonObject(words) ? { metadata: wordsOf(words) } : {}),
    });
  }

  /** Nobody will upload with this grant. */
  async takeBack({ transferId }: TransferGrant): Promise<void> {
    try {
      const place = await this.#find(transferId);
      if (place?.found.record.state === "uploading")
        await giveUp(place.parts, transferId, place.found.record, place.found.sequence);
    } catch {
      // It expires.
    }
    this.#settle(transferId);
  }

  /** What became of an upload. */
  async state(store: string, transferId: string): Promise<UploadState> {
    const parts = this.#options.storeOf(store);
    const found = await parts?.records.find(transferId);
    if (parts === undefined || found === undefined) return { kind: "gone" };
    const object = await storedAs(parts, transferId, found);
    if (object !== undefined) return { kind: "stored", object };
    if (found.record.state !== "uploading" || this.#isExpired(found)) return { kind: "gone" };
    return { kind: "waiting", until: found.at + (found.record.transfer?.idleMs ?? 0) + LATE_MS };
  }

  /** Senders go on with another replica. */
  async drain(withinMs: number): Promise<{ readonly left: number }> {
    this.#draining = true;
    await this.#subscription?.drain();
    this.#subscription = undefined;
    const result = await this.#open.drain(drained(), withinMs);
    this.close();
    return result;
  }

  close(): void {
    this.#draining = true;
    this.#subscription?.close();
    this.#open.close();
    for (const upload of this.#received.values()) upload.release();
    for (const transferId of [...this.#granted.keys()]) this.#settle(transferId);
  }

  #full(owner: string): TransportError | undefined {
    const { maxTransferGrants, maxTransferGrantsPerSession } = this.#options.limits;
    if (this.#draining) return drained();
    if (this.#granted.size >= maxTransferGrants)
      return overloaded(`This replica waits for ${maxTransferGrants} uploads and grants no more (maxTransferGrants).`);
    let own = 0;
    for (const granted of this.#granted.values()) if (granted.owner === owner) own += 1;
    if (own >= maxTransferGrantsPerSession)
      return overloaded(
        `This replica waits for ${maxTransferGrantsPerSession} uploads of this caller, which is all it may have (maxTransferGrantsPerSession).`,
      );
    return undefined;
  }

  #receive(message: LinkMessage): void {
    const { subject } = message;
    this.#options.door.receive({ name: "upload", kind: "transfer", subject, required: [] }, message, (visitor) =>
      this.#tryOpen(subject.slice(subject.lastIndexOf(".") + 1), visitor),
    );
  }

  async #tryOpen(transferId: string, visitor: Visitor): Promise<Refusal | undefined> {
    const { limits, service, instanceId, operations } = this.#options;
    if (this.#draining) return drained();
    const opening = parseTransferOpening(visitor.request.payload);
    if (opening === undefined)
      return new ValidationError([{ path: "", message: "The payload does not open a transfer." }]);
    const place = await this.#find(transferId);
    const terms = place?.found.record.transfer;
    const { session } = visitor;
    if (place === undefined || terms?.owner !== session.caller.id || place.found.record.state === "abandoned")
      return new TransferError("unknown_transfer");
    const { parts, found } = place;
    const required = operations[terms.operation]?.capabilities?.call ?? [];
    const missing = required.find((capability) => !session.capabilities.has(capability));
    if (missing !== undefined)
      return new AuthError("insufficient_permissions", { message: `This needs the capability ${missing}.` });
    const full = this.#isFull(visitor.request.sessionKey);
    if (full !== undefined) return full;
    const stream = new UploadStream(
      {
        ...visitor,
        what: `the upload for ${terms.operation}`,
        logFields: { transfer: terms.operation },
        required,
        control: transferControlSubject(service, instanceId, newInboxOwner()),
        credits: limits.transferCredits,
      },
      this.#open.host,
    );
    if (found.record.state === "stored") return this.#tellStored(place, transferId, terms, stream);
    if (this.#isExpired(found)) {
      await this.#expire(transferId, parts);
      return new TransferError("expired");
    }
    const { maxBytes } = terms;
    if (maxBytes !== undefined && (opening.size ?? 0) > maxBytes) {
      await this.#giveUp(transferId, place);
      return tooLarge(maxBytes);
    }
    this.#open.add(stream);
    stream.ready(limits.transferHeartbeatMs);
    void this.#begin(transferId, place, terms, stream);
    return undefined;
  }

  /** Reads what is there of it, if another replica received that, and goes on. */
  async #begin(transferId: string, { parts, found }: Place, terms: TransferTerms, stream: UploadStream): Promise<void> {
    const known = this.#received.get(transferId);
    if (known !== undefined) return stream.begin(known);
    let upload: ReceivedUpload | undefined;
    let unwanted: TransferError | undefined;
    const unfollow = this.#purpose.follow(terms, (why) => {
      unwanted ??= why;
      if (why !== undefined) upload?.giveUp(why);
    });
    try {
      const object = await ObjectUpload.resume(parts, transferId, found, stream.signal);
      unwanted ??= await this.#purpose.unwanted(terms);
      if (stream.over) return unfollow();
      upload = new ReceivedUpload({
        object,
        terms,
        chunkBytes: LIMITS.transferChunkBytes,
        onSettled: () => this.#purpose.settled(terms),
        onOver: () => {
          unfollow();
          this.#received.delete(transferId);
          this.#settle(transferId);
        },
        onTrouble: (error) => stream.log.error("An upload failed unexpectedly.", { error }),
      });
      this.#received.set(transferId, upload);
      stream.begin(upload);
      if (unwanted !== undefined) upload.giveUp(unwanted);
    } catch (thrown) {
      unfollow();
      if (stream.over) return;
      stream.log.warn("An upload could not be gone on with.", { error: thrown });
      stream.refuse(thrown instanceof StoreError ? refusalOf(thrown) : new TransferError("unavailable"));
    }
  }

  /** It was stored, and the sender has not heard of it. */
  async #tellStored(
    { parts, found }: Place,
    transferId: string,
    terms: TransferTerms,
    stream: UploadStream,
  ): Promise<Refusal | undefined> {
    const object = await storedAs(parts, transferId, found);
    if (object === undefined) return new TransferError("unknown_transfer");
    await this.#purpose.settled(terms);
    this.#open.add(stream);
    stream.ready(this.#options.limits.transferHeartbeatMs);
    const seq = Math.ceil(object.size / LIMITS.transferChunkBytes);
    stream.stored({ type: "end", seq, size: object.size, digest: digestOf(object.digest) });
    return undefined;
  }

  #isFull(sessionKey: string): TransportError | undefined {
    const { maxOpenTransfers, maxOpenTransfersPerSession } = this.#options.limits;
    if (this.#open.size >= maxOpenTransfers)
      return overloaded(
        `This replica receives ${maxOpenTransfers} uploads and begins no more at the moment (maxOpenTransfers).`,
      );
    if (this.#open.openBy(sessionKey) >= maxOpenTransfersPerSession)
      return overloaded(
        `This session has ${maxOpenTransfersPerSession} uploads moving at this replica, which is all it may have (maxOpenTransfersPerSession).`,
      );
    return undefined;
  }

  async #find(transferId: string): Promise<Place | undefined> {
    for (const alias of this.#stores) {
      const parts = this.#options.storeOf(alias);
      const found = await parts?.records.find(transferId);
      if (parts !== undefined && found !== undefined) return { parts, found };
    }
    return undefined;
  }

  #isExpired({ record, at }: FoundRecord): boolean {
    return this.#options.clock.nowMs() - at > (record.transfer?.idleMs ?? 0);
  }

  /** Removes what came of an upload that nobody goes on with; the sweep of the store does it if this replica dies. */
  async #expire(transferId: string, parts: StoreParts): Promise<void> {
    if (this.#received.has(transferId)) return;
    try {
      const found = await parts.records.find(transferId);
      if (found?.record.state === "uploading" && this.#isExpired(found))
        await this.#giveUp(transferId, { parts, found });
      if (found?.record.state === "uploading" && !this.#isExpired(found)) return;
    } catch {
      // NATS is away; the sweep finds it.
    }
    this.#settle(transferId);
  }

  async #giveUp(transferId: string, { parts, found }: Place): Promise<void> {
    try {
      await giveUp(parts, transferId, found.record, found.sequence);
      if (found.record.transfer !== undefined) await this.#purpose.settled(found.record.transfer);
    } catch {
      // Somebody goes on with it after all, or the sweep finds it.
    }
    this.#settle(transferId);
  }

  #settle(transferId: string): void {
    const granted = this.#granted.get(transferId);
    if (granted === undefined) return;
    this.#granted.delete(transferId);
    clearTimeout(granted.expiry);
    granted.unfollow();
  }
}

/** So much later than it expires an upload is looked at again: clocks differ. */
const LATE_MS = 1_000;

interface Place {
  readonly parts: StoreParts;
  readonly found: FoundRecord;
}

async function storedAs(
  parts: StoreParts,
  transferId: string,
  { record }: FoundRecord,
): Promise<StoredObject | undefined> {
  const object = await findObject(parts, record.name, true);
  return object?.description.nuid === transferId ? toObject(object.description, object.message) : undefined;
}

/** A literal, or where a JSON pointer into the input leads. */
function valueOf(input: Json, where: string): Json | undefined {
  if (!where.startsWith("/")) return where;
  let value: Json | undefined = input;
  for (const token of where.slice(1).split("/")) {
    const member = token.replaceAll("~1", "/").replaceAll("~0", "~");
    value = isJsonObject(value) && Object.hasOwn(value, member) ? value[member] : undefined;
  }
  return value;
}

function wordsOf(value: { readonly [name: string]: Json }): { readonly [name: string]: string } {
  const words: { [name: string]: string } = {};
  for (const [name, word] of Object.entries(value)) if (typeof word === "string") words[name] = word;
  return words;
}

/** What the operation and its store allow, whichever is less. */
function roomIn({ binding }: StoreParts, asked: number | undefined): { readonly maxBytes?: number } {
  const { maxObjectBytes, maxTotalBytes } = binding();
  const limits = [asked, maxObjectBytes, maxTotalBytes].filter((limit) => limit !== undefined);
  return limits.length === 0 ? {} : { maxBytes: Math.min(...limits) };
}

function refusalOf(error: StoreError): TransferError {
  const { code, message } = error;
  if (code === "store_full" || code === "interrupted") return new TransferError(code, { message });
  return code === "object_too_large" ? new TransferError("too_large", { message }) : new TransferError("unavailable");
}

function overloaded(message: string): TransportError {
  return new TransportError("overloaded", {
    message,
    hint: "Try again when others have ended, or run more replicas.",
  });
}

function drained(): TransportError {
  return new TransportError("retry_later", {
    message: "This replica of the service is being stopped.",
    hint: "Open the upload again: another replica goes on.",
  });
}
