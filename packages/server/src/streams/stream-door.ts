import type { Link, LinkMessage } from "@trellis/client/internal";
import {
  encodeStreamFrame,
  errorBody,
  inboxPrefix,
  isReplyTo,
  parseRequestHeaders,
  UnexpectedError,
} from "@trellis/protocol";
import { startServerSpan } from "@trellis/telemetry";
import type { TracedWork } from "@trellis/telemetry";
import type { Log } from "../log.ts";
import type { RequestCheck } from "../request-check.ts";
import type { KnownSession } from "../session-directory.ts";
import { HeaderIndex, SignedRequest } from "../signed-request.ts";

export interface StreamDoorOptions {
  readonly link: Link;
  readonly contractId: string;
  readonly check: RequestCheck;
  /** Requests whose signature is being checked; beyond it they are dropped. */
  readonly maxVerifying: number;
  readonly log: Log;
}

/** What is asked for. */
export interface Entrance {
  readonly name: string;
  readonly kind: "feed" | "transfer";
  readonly subject: string;
  /** Global keys of the capabilities that opening it takes. */
  readonly required: readonly string[];
}

/** Somebody who may open a stream, and wants to. */
export interface Visitor {
  readonly request: SignedRequest;
  readonly headers: HeaderIndex;
  readonly reply: string;
  readonly session: KnownSession;
  readonly traced: TracedWork;
}

export type Refusal = Error & { readonly type: string };

/**
 * From a message to somebody who may open a stream.
 *
 * Nothing is opened or answered unless the reply subject is a stream inbox below the caller's own prefix and the request
 * is signed by that caller.
 */
export class StreamDoor {
  readonly #options: StreamDoorOptions;
  #verifying = 0;

  constructor(options: StreamDoorOptions) {
    this.#options = options;
  }

  /** Checks who asks and lets `open` answer: with nothing when the stream is open, with an error otherwise. */
  receive(
    entrance: Entrance,
    message: LinkMessage,
    open: (visitor: Visitor) => Refusal | undefined | Promise<Refusal | undefined>,
  ): void {
    const { reply, headers } = message;
    if (headers === undefined || message.subject !== entrance.subject) return this.#ignore("malformed", entrance);
    const index = new HeaderIndex(headers);
    const parsed = parseRequestHeaders(index);
    if (!parsed.ok) return this.#ignore("malformed", entrance);
    if (reply === undefined || !isReplyTo(inboxPrefix(parsed.value.sessionKey), reply, "s"))
      return this.#ignore("foreignReply", entrance);
    if (this.#verifying >= this.#options.maxVerifying) return this.#ignore("tooMany", entrance);
    const request = new SignedRequest(parsed.value, message.subject, message.data);
    const { name, kind } = entrance;
    const traced = startServerSpan({ name, surface: kind, contractId: this.#options.contractId }, index);
    void this.#admit(entrance, { request, headers: index, reply, traced }, open);
  }

  async #admit(
    entrance: Entrance,
    asked: Omit<Visitor, "session">,
    open: (visitor: Visitor) => Refusal | undefined | Promise<Refusal | undefined>,
  ): Promise<void> {
    let refusal: Refusal | undefined;
    this.#verifying += 1;
    try {
      const checked = await this.#options.check.check(asked.request, { required: entrance.required, once: false });
      if (checked.kind === "forged") return this.#ignore("forged", entrance);
      if (checked.kind === "refused") refusal = checked.error;
      else refusal = await open({ ...asked, session: checked.session });
    } catch (thrown) {
      const id = globalThis.crypto.randomUUID();
      this.#options.log.error("A stream could not be opened.", { id, [entrance.kind]: entrance.name, error: thrown });
      refusal = new UnexpectedError(id);
    } finally {
      this.#verifying -= 1;
      asked.traced.end(refusal === undefined ? undefined : { type: refusal.type });
    }
    if (refusal !== undefined) this.#refuse(entrance, asked.reply, refusal);
  }

  /** Answers an opening that did not succeed; the caller was verified. */
  #refuse(entrance: Entrance, reply: string, error: Refusal): void {
    const id = error instanceof UnexpectedError ? error.id : globalThis.crypto.randomUUID();
    const { link, log } = this.#options;
    const where = { id, [entrance.kind]: entrance.name };
    log.debug("A stream was refused.", { ...where, type: error.type, reason: error.message });
    try {
      link.publish(reply, encodeStreamFrame({ type: "error", seq: 0, error: errorBody(error, id) }));
    } catch (thrown) {
      log.debug("The refusal of a stream could not be sent.", { ...where, error: thrown });
    }
  }

  #ignore(why: string, entrance: Entrance): void {
    this.#options.log.debug("A message was not answered.", { why, [entrance.kind]: entrance.name });
  }
}
