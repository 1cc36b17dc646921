import { WheelEntry } from "@trellis/client/internal";
import { ValidationError } from "@trellis/protocol";
import type { TracedWork } from "@trellis/telemetry";
import type { Caller } from "./authority.ts";
import type { HandlerContext } from "./handlers.ts";
import type { Log } from "./log.ts";
import type { RpcEndpoint } from "./rpc-endpoint.ts";
import type { KnownSession } from "./session-directory.ts";
import type { SignedRequest } from "./signed-request.ts";

/** What calls of one runtime have in common. */
export interface CallSurroundings {
  readonly log: Log;
  readonly client: unknown;
  readonly deps: unknown;
  readonly runInside: RunInside | undefined;
}

/** Runs a handler inside the trace context of its call, whatever carries contexts in this runtime. */
export type RunInside = <T>(context: TracedWork["context"], body: () => T) => T;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * One request on its way through the service; it is also the context its handler sees. Log, signal and the like cost
 * something, so they are made when a handler first asks for them.
 */
export class Call extends WheelEntry implements HandlerContext<unknown> {
  readonly endpoint: RpcEndpoint;
  readonly request: SignedRequest;
  readonly reply: string;
  readonly receivedAt: number;
  /** Set once the request is checked; nothing below runs before. */
  session: KnownSession | undefined = undefined;
  input: unknown = undefined;
  /** Nobody waits any more: whatever the handler still answers is dropped. */
  over = false;
  /** The span of this call and the context calls made inside belong to. */
  readonly traced: TracedWork;
  readonly #surroundings: CallSurroundings;
  #abort: AbortController | undefined = undefined;
  #log: Log | undefined = undefined;

  constructor(
    endpoint: RpcEndpoint,
    request: SignedRequest,
    reply: string,
    traced: TracedWork,
    surroundings: CallSurroundings,
  ) {
    super();
    this.endpoint = endpoint;
    this.request = request;
    this.reply = reply;
    this.traced = traced;
    this.receivedAt = performance.now();
    this.#surroundings = surroundings;
  }

  get caller(): Caller {
    if (this.session === undefined) throw new TypeError("A call has no caller before it was checked.");
    return this.session.caller;
  }

  get log(): Log {
    this.#log ??= this.#surroundings.log.child({
      rpc: this.endpoint.name,
      request: this.request.headers.requestId,
      caller: this.session?.caller.id,
      trace: this.traced.traceId,
    });
    return this.#log;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.over) this.#abort.abort(tooLate());
    }
    return this.#abort.signal;
  }

  get remainingMs(): number {
    return Math.max(0, this.receivedAt + this.request.headers.deadlineMs - performance.now());
  }

  get client(): unknown {
    return this.#surroundings.client;
  }

  get deps(): unknown {
    return this.#surroundings.deps;
  }

  may(capability: string): boolean {
    return this.session?.capabilities.has(capability) === true;
  }

  /** Starts the handler, within the trace of the call. */
  run(): unknown {
    const { runInside } = this.#surroundings;
    const body = (): unknown => this.endpoint.handler?.(this);
    return this.traced.run(runInside === undefined ? body : () => runInside(this.traced.context, body));
  }

  /** The wheel's word that the deadline has passed. */
  override expire(): void {
    this.end();
  }

  /** From here on no answer leaves, and the handler is asked to stop. */
  end(): void {
    if (this.over) return;
    this.over = true;
    this.#abort?.abort(tooLate());
  }

  /** Reads and checks the input; the error is for the caller. */
  readInput(): ValidationError | undefined {
    try {
      this.input = JSON.parse(decoder.decode(this.request.payload));
    } catch {
      return new ValidationError([{ path: "", message: "The payload is not JSON in UTF-8." }]);
    }
    if (this.endpoint.input.check(this.input)) return undefined;
    return new ValidationError(this.endpoint.input.errors(this.input));
  }
}

function tooLate(): DOMException {
  return new DOMException("Nobody waits for this answer any more.", "AbortError");
}
