import { encodeBase64url } from "@trellis/contracts";
import type { HeaderReader, ParsedRequestHeaders } from "@trellis/protocol";
import type { TraceHeaderReader } from "@trellis/telemetry";
import type { MsgHdrs } from "@nats-io/nats-core";
import type { ValidateRequest } from "./authority.ts";

const NO_VALUES: readonly string[] = [];
const NO_BYTES = new Uint8Array(0);

/** Headers by name; nats.js walks all of them for every question, and a request asks many. */
export class HeaderIndex implements HeaderReader, TraceHeaderReader {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(headers: MsgHdrs) {
    this.#values = new Map(headers);
  }

  get(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  values(name: string): readonly string[] {
    return this.#values.get(name) ?? NO_VALUES;
  }
}

/** A request as it came in: well formed, and nothing about it believed yet. */
export class SignedRequest {
  readonly headers: ParsedRequestHeaders;
  readonly subject: string;
  readonly payload: Uint8Array;
  /** Set by the check, which needs it for the proof. */
  payloadHash: Uint8Array = NO_BYTES;

  constructor(headers: ParsedRequestHeaders, subject: string, payload: Uint8Array) {
    this.headers = headers;
    this.subject = subject;
    this.payload = payload;
  }

  get sessionKey(): string {
    return this.headers.sessionKey;
  }

  /** What the control plane needs to check the same request. */
  toValidateRequest(): ValidateRequest {
    const { sessionKey, proof, iat, requestId } = this.headers;
    return { sessionKey, subject: this.subject, payloadHash: encodeBase64url(this.payloadHash), proof, iat, requestId };
  }
}
