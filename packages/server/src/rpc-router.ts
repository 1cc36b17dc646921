import { DeadlineWheel } from "@trellis/client/internal";
import type { Link, LinkMessage, LinkSubscription } from "@trellis/client/internal";
import {
  HEADERS,
  inboxPrefix,
  encodeError,
  isForCaller,
  isReplyTo,
  parseRequestHeaders,
  STATUS_ERROR,
  TransportError,
  UnexpectedError,
} from "@trellis/protocol";
import { startServerSpan } from "@trellis/telemetry";
import { headers as natsHeaders } from "@nats-io/nats-core";
import type { MsgHdrs } from "@nats-io/nats-core";
import { Admission } from "./admission.ts";
import { Call } from "./call.ts";
import type { CallSurroundings } from "./call.ts";
import type { ServiceLimits } from "./limits.ts";
import type { RequestCheck } from "./request-check.ts";
import type { RpcEndpoint } from "./rpc-endpoint.ts";
import { HeaderIndex, SignedRequest } from "./signed-request.ts";
import type { Downloads } from "./transfers/downloads.ts";
import { isTransferSource } from "./transfers/transfer-source.ts";

export interface RpcRouterOptions {
  readonly link: Link;
  /** Replicas of one contract share its requests through this queue group. */
  readonly queue: string;
  readonly endpoints: Iterable<RpcEndpoint>;
  readonly check: RequestCheck;
  readonly limits: ServiceLimits;
  readonly surroundings: CallSurroundings;
  /** Lets the caller have the bytes that go with an answer. */
  readonly downloads: Pick<Downloads, "grant">;
}

/** What came in and was not answered, by why: such messages leave no other trace than these counts and a debug line. */
export interface Unanswered {
  readonly malformed: number;
  readonly foreignReply: number;
  readonly forged: number;
  readonly expired: number;
  readonly tooMany: number;
}

const encoder = new TextEncoder();
const ERROR_HEADERS: MsgHdrs = natsHeaders();
ERROR_HEADERS.set(HEADERS.status, STATUS_ERROR);

/**
 * From a message on an owned subject to its answer.
 *
 * 1. Nothing is answered unless the reply subject has the shape of a reply below the caller's own prefix and the
 *    request is signed by that caller: otherwise we would write wherever a stranger points.
 * 2. Whatever goes wrong after that is answered at once, as long as somebody waits.
 * 3. After the deadline, and after a drain gave up, nothing leaves any more.
 */
export class RpcRouter {
  readonly #options: RpcRouterOptions;
  readonly #wheel = new DeadlineWheel();
  readonly #admission: Admission<Call>;
  readonly #open = new Set<Call>();
  readonly #unanswered = { malformed: 0, foreignReply: 0, forged: 0, expired: 0, tooMany: 0 };
  #subscriptions: readonly LinkSubscription[] = [];
  #verifying = 0;
  #idle: (() => void) | undefined;

  constructor(options: RpcRouterOptions) {
    this.#options = options;
    const { maxInFlight, maxQueued } = options.limits;
    this.#admission = new Admission({ maxRunning: maxInFlight, maxQueued }, (call) => this.#run(call));
  }

  /** Handlers at work. */
  get inFlight(): number {
    return this.#admission.running;
  }

  get unanswered(): Unanswered {
    return { ...this.#unanswered };
  }

  start(): void {
    const { link, queue, endpoints } = this.#options;
    this.#subscriptions = [...endpoints].map((endpoint) =>
      link.subscribe(endpoint.subject, { queue, onMessage: (message) => this.#receive(endpoint, message) }),
    );
  }

  /**
   * Takes nothing new and waits for what was accepted. When the time is up the handlers' signals abort, and what
   * they do not finish then is reported as left.
   */
  async drain(withinMs: number): Promise<{ readonly left: number }> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.drain()));
    this.#subscriptions = [];
    if (this.#open.size > 0 && !(await this.#settled(withinMs))) {
      for (const call of this.#open) call.end();
      await this.#settled(Math.min(withinMs, 200));
    }
    return { left: this.#open.size };
  }

  /** Ends at once; handlers still at work are aborted and not heard any more. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions = [];
    for (const call of this.#open) call.end();
    this.#wheel.stop();
  }

  #settled(withinMs: number): Promise<boolean> {
    if (this.#open.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), withinMs);
      this.#idle = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  #receive(endpoint: RpcEndpoint, message: LinkMessage): void {
    const { reply } = message;
    if (message.headers === undefined || message.subject !== endpoint.subject)
      return this.#ignore("malformed", endpoint);
    const index = new HeaderIndex(message.headers);
    const parsed = parseRequestHeaders(index);
    if (!parsed.ok) return this.#ignore("malformed", endpoint, parsed.error.message);
    if (reply === undefined || !isReplyTo(inboxPrefix(parsed.value.sessionKey), reply, "r")) {
      return this.#ignore("foreignReply", endpoint);
    }
    if (this.#verifying >= this.#options.limits.maxVerifying) return this.#ignore("tooMany", endpoint);
    const request = new SignedRequest(parsed.value, message.subject, message.data);
    const traced = startServerSpan({ name: endpoint.name, surface: "rpc", contractId: this.#options.queue }, index);
    void this.#handle(new Call(endpoint, request, reply, traced, this.#options.surroundings));
  }

  async #handle(call: Call): Promise<void> {
    const { endpoint, request } = call;
    this.#open.add(call);
    this.#wheel.add(call, request.headers.deadlineMs);
    this.#verifying += 1;
    try {
      const checked = await this.#options.check.check(request, endpoint);
      if (checked.kind === "forged") {
        this.#ignore("forged", endpoint);
        return this.#forget(call);
      }
      if (checked.kind === "refused") return this.#refuse(call, checked.error);
      if (checked.session.inboxPrefix !== inboxPrefix(request.sessionKey)) {
        this.#ignore("foreignReply", endpoint);
        return this.#forget(call);
      }
      call.session = checked.session;
    } catch (thrown) {
      return this.#unexpected(call, "A request could not be checked.", thrown);
    } finally {
      this.#verifying -= 1;
    }
    if (!this.#admission.offer(call)) this.#refuse(call, new TransportError("overloaded"));
  }

  /** Runs in a slot of the admission, which is given back when the handler is done. */
  #run(call: Call): void {
    if (call.over) {
      this.#ignore("expired", call.endpoint);
      return this.#leave(call);
    }
    const wrong = call.readInput();
    if (wrong !== undefined) {
      this.#refuse(call, wrong);
      return this.#admission.release();
    }
    let result: unknown;
    try {
      result = call.run();
    } catch (thrown) {
      return this.#failed(call, thrown);
    }
    if (!isPromiseLike(result)) return this.#answer(call, result);
    result.then(
      (value) => this.#answer(call, value),
      (thrown: unknown) => this.#failed(call, thrown),
    );
  }

  #answer(call: Call, result: unknown): void {
    if (isOk(result)) {
      if (call.endpoint.transfer === true) this.#handOut(call, result.value);
      else if (call.endpoint.output.check(result.value)) this.#reply(call, result.value);
      else {
        const issues = call.endpoint.output.errors(result.value);
        this.#unexpected(call, "A handler answered with something its contract does not describe.", undefined, {
          issues,
        });
      }
      return this.#admission.release();
    }
    if (isErr(result)) return this.#failed(call, result.error);
    this.#unexpected(call, "A handler returned no Result.", undefined);
    this.#admission.release();
  }

  /** Answers with a file: the output, and the right to read the bytes. */
  #handOut(call: Call, answer: unknown): void {
    const { endpoint, request } = call;
    const { output, source } = readFile(answer);
    if (!endpoint.output.check(output) || !isTransferSource(source))
      return this.#unexpected(call, "A handler answered with something its contract does not describe.", undefined, {
        issues: endpoint.output.errors(output),
        source: isTransferSource(source) ? "given" : "missing: use fromStore or fromBytes",
      });
    if (call.over) return this.#close(call, "expired");
    const { name, required } = endpoint;
    const grant = this.#options.downloads.grant({ name, required, sessionKey: request.sessionKey }, source);
    if (grant instanceof TransportError) this.#refuse(call, grant);
    else this.#reply(call, { output, transfer: grant });
  }

  #failed(call: Call, error: unknown): void {
    if (isForCaller(error, call.endpoint.declared)) this.#refuse(call, error);
    else this.#unexpected(call, "A handler failed.", error);
    this.#admission.release();
  }

  #reply(call: Call, value: unknown): void {
    try {
      if (!call.over) this.#options.link.publish(call.reply, encoder.encode(JSON.stringify(value)));
    } catch (thrown) {
      return this.#unexpected(call, "An answer could not be sent.", thrown);
    }
    this.#close(call, undefined);
  }

  /** Answers with an error the caller may know. */
  #refuse(call: Call, error: Error & { readonly type: string }): void {
    const id = globalThis.crypto.randomUUID();
    this.#options.surroundings.log.debug("A request was refused.", {
      id,
      rpc: call.endpoint.name,
      type: error.type,
      reason: error.message,
    });
    this.#sendError(call, error, id);
    this.#close(call, error.type);
  }

  /** Answers with an id and nothing else; what happened is in the log under it. */
  #unexpected(call: Call, message: string, cause: unknown, fields: { readonly [name: string]: unknown } = {}): void {
    const id = globalThis.crypto.randomUUID();
    call.log.error(message, { id, ...fields, ...(cause === undefined ? {} : { error: cause }) });
    this.#sendError(call, new UnexpectedError(id), id);
    this.#close(call, "UnexpectedError");
  }

  #sendError(call: Call, error: Error, id: string): void {
    if (call.over) return;
    try {
      this.#options.link.publish(call.reply, encodeError(error, id), { headers: ERROR_HEADERS });
    } catch (thrown) {
      call.log.warn("An error could not be sent to its caller.", { id, error: thrown });
    }
  }

  /** Nobody waits for it any more, before it began. */
  #leave(call: Call): void {
    this.#close(call, "expired");
    this.#admission.release();
  }

  #close(call: Call, error: string | undefined): void {
    call.endpoint.stats.done(call.receivedAt, error);
    this.#forget(call, error);
  }

  #forget(call: Call, error?: string): void {
    this.#wheel.remove(call);
    this.#open.delete(call);
    call.traced.end(error === undefined ? undefined : { type: error });
    if (this.#open.size === 0) this.#idle?.();
  }

  #ignore(why: keyof Unanswered, endpoint: RpcEndpoint, detail?: string): void {
    this.#unanswered[why] += 1;
    this.#options.surroundings.log.debug("A message was not answered.", { why, rpc: endpoint.name, detail });
  }
}

function readFile(answer: unknown): { readonly output?: unknown; readonly source?: unknown } {
  return typeof answer === "object" && answer !== null ? answer : {};
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function isOk(result: unknown): result is { readonly ok: true; readonly value: unknown } {
  return typeof result === "object" && result !== null && "ok" in result && result.ok === true && "value" in result;
}

function isErr(result: unknown): result is { readonly ok: false; readonly error: unknown } {
  return typeof result === "object" && result !== null && "ok" in result && result.ok === false && "error" in result;
}
