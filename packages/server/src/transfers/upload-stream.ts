import type { LinkMessage } from "@trellis/client/internal";
import { encodeStreamFrame, encodeTransferFrame, HEADERS, parseUploadControl } from "@trellis/protocol";
import type { TransferEnd } from "@trellis/protocol";
import { ServedStream } from "../streams/served-stream.ts";
import type { StreamHost, StreamOpening } from "../streams/served-stream.ts";
import type { ReceivedUpload, UploadLine } from "./received-upload.ts";

export interface OpenedUpload extends StreamOpening {
  /** Chunks that may be sent before they are stored. */
  readonly credits: number;
}

/** One stream of an upload: from its sender to the `ReceivedUpload` behind it, and back. */
export class UploadStream extends ServedStream implements UploadLine {
  readonly #credits: number;
  #upload: ReceivedUpload | undefined;

  constructor(opened: OpenedUpload, host: StreamHost) {
    super(opened, host);
    this.#credits = opened.credits;
  }

  override get place(): number {
    return this.#upload?.received ?? 0;
  }

  /** Tells the sender where to write; it waits for the first acknowledgement. */
  ready(heartbeatMs: number): void {
    this.tell(encodeStreamFrame({ type: "ready", control: this.control, credits: 0, heartbeatMs }));
  }

  /** From here on chunks are taken. */
  begin(upload: ReceivedUpload): void {
    if (this.over) return;
    this.#upload = upload;
    upload.attach(this);
  }

  override hear(message: LinkMessage): boolean {
    const { headers } = message;
    const seq = headers?.has(HEADERS.transferSeq) === true ? headers.get(HEADERS.transferSeq) : undefined;
    const control = parseUploadControl(message.data, seq);
    if (control === undefined) return false;
    const upload = this.#upload;
    switch (control.type) {
      case "chunk":
        upload?.take(control.seq, control.data);
        break;
      case "end":
        upload?.finish(control);
        break;
      case "heartbeat":
        if (upload !== undefined && control.seq > upload.received) upload.behind();
        break;
      case "cancel":
        upload?.cancel();
        this.leave();
        break;
    }
    return true;
  }

  acknowledge(seq: number): void {
    this.tell(encodeTransferFrame({ type: "ack", seq, upTo: seq + this.#credits }));
  }

  askAgain(seq: number): void {
    this.tell(encodeTransferFrame({ type: "again", seq }));
  }

  stored(end: TransferEnd): void {
    if (this.over) return;
    this.tell(encodeTransferFrame({ ...end, type: "stored" }));
    this.end();
  }

  override poke(): void {
    super.poke();
    this.#upload?.poke();
  }

  override mayGoOn(): boolean {
    return !this.over && super.mayGoOn();
  }

  protected override onEnd(): void {
    this.#upload?.detach(this);
    this.host.onSettled(this);
  }
}
