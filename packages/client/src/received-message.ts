import type { Msg, MsgHdrs } from "@nats-io/nats-core";
import { MsgImpl } from "@nats-io/nats-core/internal";
import type { LinkMessage } from "./link.ts";
import { readHeaders, valuesOf } from "./read-headers.ts";

/** A message as NATS brought it. Its headers are read by us and only when asked for. */
export class ReceivedMessage implements LinkMessage {
  readonly data: Uint8Array;
  readonly #message: Msg;
  #headers: MsgHdrs | undefined;
  #isRead = false;
  #text: string | undefined;

  constructor(message: Msg) {
    this.data = message.data;
    this.#message = message;
  }

  get subject(): string {
    return this.#message.subject;
  }

  get reply(): string | undefined {
    return this.#message.reply;
  }

  get headers(): MsgHdrs | undefined {
    if (!this.#isRead) {
      this.#isRead = true;
      this.#headers = headersOf(this.#message);
    }
    return this.#headers;
  }

  /** See `headerValues`. */
  valuesOf(name: string): readonly string[] {
    const message = this.#message;
    if (this.#isRead || !(message instanceof MsgImpl)) return this.headers?.values(name) ?? [];
    this.#text ??= decoder.decode(headerBytes(message));
    return valuesOf(this.#text, name);
  }
}

/**
 * All values of one header of a message, without reading the others: most of what is delivered is asked for one or two of
 * its headers.
 */
export function headerValues(message: LinkMessage, name: string): readonly string[] {
  return message instanceof ReceivedMessage ? message.valuesOf(name) : (message.headers?.values(name) ?? []);
}

const decoder = new TextDecoder();

function headersOf(message: Msg): MsgHdrs | undefined {
  // Of another nats.js than the one this package brings, whose reading is then as good as any.
  if (!(message instanceof MsgImpl)) return message.headers;
  return message._msg.hdr < 0 ? undefined : readHeaders(headerBytes(message));
}

function headerBytes({ _msg, _rdata }: MsgImpl): Uint8Array {
  return _rdata.subarray(0, Math.max(0, _msg.hdr));
}
