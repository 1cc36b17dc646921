import type { Msg, MsgHdrs } from "@nats-io/nats-core";
import { MsgImpl } from "@nats-io/nats-core/internal";
import type { LinkMessage } from "./link.ts";
import { readHeaders } from "./read-headers.ts";

/** A message as NATS brought it. Its headers are read by us and only when asked for. */
export class ReceivedMessage implements LinkMessage {
  readonly data: Uint8Array;
  readonly #message: Msg;
  #headers: MsgHdrs | undefined;
  #isRead = false;

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
}

function headersOf(message: Msg): MsgHdrs | undefined {
  // Of another nats.js than the one this package brings, whose reading is then as good as any.
  if (!(message instanceof MsgImpl)) return message.headers;
  const { hdr } = message._msg;
  return hdr < 0 ? undefined : readHeaders(message._rdata.subarray(0, hdr));
}
