import type { MsgHdrs } from "@nats-io/nats-core";
import type { Link } from "../link.ts";
import type { UseFacts } from "../not-granted.ts";

/** What events travel on; a `Session` fits. */
export interface EventTransport extends UseFacts {
  readonly link: Link;
  /** The platform's time; the local clock without it. */
  readonly clock?: { nowMs(): number };
  /** Adds the trace that surrounds the caller. */
  trace?(headers: MsgHdrs): void;
}
