import { headerValues, readEvent } from "@trellis/client/internal";
import { TrellisError } from "@trellis/contracts";
import { startServerSpan } from "@trellis/telemetry";
import type { CallSurroundings } from "../call.ts";
import { eventOf } from "./consumer-group.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { AnyEventHandler } from "./event-handlers.ts";
import { HeldAttempt } from "./held-event.ts";
import type { HeldEvent } from "./held-event.ts";

export interface EventAttemptsOptions {
  readonly group: ConsumerGroup;
  /** Who takes it: `<deployment>.<group>`. */
  readonly consumer: string;
  readonly surroundings: CallSurroundings;
  readonly onDone: (held: HeldEvent) => void;
  readonly onFailed: (held: HeldEvent, reason: string) => void;
  /** It is not what its contract says, and never will be. */
  readonly onInvalid: (held: HeldEvent, reason: string) => void;
  /** This version of the contract does not know it. */
  readonly onUnknown: (held: HeldEvent) => void;
}

/** Runs the handlers of a group and tells how it went. An attempt that was ended before tells nothing. */
export class EventAttempts {
  readonly #options: EventAttemptsOptions;

  constructor(options: EventAttemptsOptions) {
    this.#options = options;
  }

  handlerOf({ subject }: HeldEvent) {
    const { group } = this.#options;
    const facts = eventOf(group, subject);
    const handler = facts === undefined ? undefined : group.handlerOf?.(facts.name);
    return facts === undefined || handler === undefined ? undefined : { facts, handler };
  }

  begin(held: HeldEvent): void {
    const { consumer, surroundings, onInvalid, onUnknown } = this.#options;
    const { message } = held.delivery;
    const handled = this.handlerOf(held);
    if (handled === undefined) return onUnknown(held);
    const { facts, handler } = handled;
    const read = readEvent(facts, held.subject, message.data);
    if (!read.ok) {
      const [first] = read.issues;
      const where = first === undefined || first.path === "" ? "the event" : first.path;
      return onInvalid(
        held,
        `The event does not match ${facts.name} as this service knows it: ${where}: ${first?.message ?? "does not match"}.`,
      );
    }
    const traced = startServerSpan(
      { name: facts.name, surface: "event", contractId: facts.contractId },
      { get: (name) => headerValues(message, name)[0] },
    );
    const attempt = new HeldAttempt(facts, consumer, held, read.event, traced, surroundings, performance.now());
    held.attempt = attempt;
    this.#run(held, attempt, handler);
  }

  /** The attempt takes too long: it counts as failed. */
  giveUp(held: HeldEvent, attempt: HeldAttempt, reason: string): void {
    attempt.end(reason);
    held.attempt = undefined;
    this.#options.onFailed(held, reason);
  }

  #run(held: HeldEvent, attempt: HeldAttempt, handler: AnyEventHandler): void {
    const { runInside } = this.#options.surroundings;
    const body = (): unknown => handler(attempt);
    let result: unknown;
    try {
      result = attempt.traced.run(runInside === undefined ? body : () => runInside(attempt.traced.context, body));
    } catch (thrown) {
      return this.#failed(held, attempt, thrown);
    }
    if (!isPromiseLike(result)) return this.#outcome(held, attempt, result);
    result.then(
      (value) => this.#outcome(held, attempt, value),
      (thrown: unknown) => this.#failed(held, attempt, thrown),
    );
  }

  #outcome(held: HeldEvent, attempt: HeldAttempt, result: unknown): void {
    if (result === undefined) return this.#succeeded(held, attempt);
    if (typeof result === "object" && result !== null && "ok" in result) {
      if (result.ok === true) return this.#succeeded(held, attempt);
      return this.#failed(held, attempt, "error" in result ? result.error : undefined);
    }
    this.#failed(held, attempt, new TypeError("The handler returned something that is neither nothing nor a Result."));
  }

  #succeeded(held: HeldEvent, attempt: HeldAttempt): void {
    if (attempt.over) return;
    attempt.over = true;
    attempt.traced.end();
    this.#options.onDone(held);
  }

  #failed(held: HeldEvent, attempt: HeldAttempt, error: unknown): void {
    if (attempt.over) return;
    const reason = explain(attempt, error);
    attempt.over = true;
    attempt.traced.end(error);
    held.attempt = undefined;
    this.#options.onFailed(held, reason);
  }
}

/** What an operator reads beside the event. Of what nobody foresaw only the id under which the log has it. */
function explain(attempt: HeldAttempt, error: unknown): string {
  if (error instanceof TrellisError) {
    attempt.log.warn("An event was not handled.", { reason: error.message });
    return `${error.name}: ${error.message}`;
  }
  const id = globalThis.crypto.randomUUID();
  attempt.log.error("The handler of an event failed.", { id, error });
  return `The handler failed unexpectedly. The service's log has the details under ${id}.`;
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
