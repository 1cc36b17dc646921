import {
  HEADERS,
  newInboxOwner,
  newReplySubject,
  inboxPrefix,
  proofDigest,
  randomToken,
  replyBase,
  writeRequestHeaders,
} from "@trellis/protocol";
import { headers as makeHeaders, type MsgHdrs, type NatsConnection } from "@nats-io/nats-core";
import { sha256 } from "./sha256.ts";
import type { RawAnswer, RawKey } from "./participant.ts";

/** Every part of a request, to be bent at will before it is sent. */
export interface Wire {
  subject: string;
  payload: Uint8Array;
  headers: MsgHdrs;
  reply: string;
}

export interface SignOptions {
  readonly subject: string;
  readonly payload?: string | Uint8Array;
  readonly iat?: number;
  readonly requestId?: string;
  /** What the proof is about when that is not what is sent. */
  readonly signedSubject?: string;
  readonly signedPayload?: string;
  /** Whose session it claims to be. */
  readonly claims?: string;
}

const encoder = new TextEncoder();

export function signedRequest(key: RawKey, options: SignOptions): Wire {
  const {
    subject,
    iat = Math.floor(Date.now() / 1000),
    requestId = `${randomToken(22)}.1`,
    claims = key.text,
  } = options;
  const payload =
    typeof options.payload === "string" || options.payload === undefined
      ? encoder.encode(options.payload ?? "{}")
      : options.payload;
  const signed = options.signedPayload === undefined ? payload : encoder.encode(options.signedPayload);
  const proof = key.sign(
    proofDigest(
      {
        sessionKey: claims,
        subject: options.signedSubject ?? subject,
        payload: { hash: sha256(signed) },
        iat,
        requestId,
      },
      sha256,
    ),
  );
  const headers = makeHeaders();
  writeRequestHeaders(headers, { sessionKey: claims, proof, iat, requestId, deadlineMs: 5_000 });
  return { subject, payload, headers, reply: newReplySubject(replyBase(inboxPrefix(key.text), "r", newInboxOwner())) };
}

/** Sends what was made and gives what came back on its reply subject. */
export class Replies {
  readonly #nc: NatsConnection;
  readonly #heard: (RawAnswer & {
    readonly error:
      | { readonly type?: string; readonly reason?: string; readonly code?: string; readonly message?: string }
      | undefined;
  })[] = [];

  /** `below`: the participant's own prefix, all of which it hears. */
  constructor(nc: NatsConnection, below: string) {
    this.#nc = nc;
    nc.subscribe(`${below}.>`, {
      callback: (_, message) => {
        const error = message.headers?.get(HEADERS.status) === "error" ? JSON.parse(message.string()) : undefined;
        this.#heard.push({
          subject: message.subject,
          reply: message.reply,
          headers: message.headers,
          data: message.data,
          text: () => message.string(),
          error,
        });
      },
    });
  }

  send(wire: Wire): void {
    this.#nc.publish(wire.subject, wire.payload, { headers: wire.headers, reply: wire.reply });
  }

  to(reply: string) {
    return this.#heard.filter((answer) => answer.subject === reply);
  }
}
