import type { Link } from "@trellis/client/internal";
import type { Bindings } from "@trellis/contracts";
import type { CallSurroundings } from "../call.ts";
import { ServiceSetupError } from "../registrars.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { AnyEventHandler } from "./event-handlers.ts";
import { GroupRunner } from "./group-runner.ts";

/** Where a service's consumers are; they come to be when the contract is accepted, which may be after the start. */
export interface BindingSource {
  readonly current: () => Bindings;
  /** Returns the function that stops listening. */
  readonly onChange: (listener: () => void) => () => void;
}

/** All consumer groups of a service, from their start to their end. */
export class Consumers {
  readonly #groups: ReadonlyMap<string, ConsumerGroup>;
  readonly #runners = new Map<string, GroupRunner>();
  #stopListening: (() => void) | undefined;

  constructor(groups: ReadonlyMap<string, ConsumerGroup>) {
    this.#groups = groups;
  }

  /** Events in hand. */
  get held(): number {
    return [...this.#runners.values()].reduce((sum, runner) => sum + runner.held, 0);
  }

  start(options: {
    readonly link: Link;
    readonly bindings: BindingSource;
    readonly surroundings: CallSurroundings;
    readonly handlerMs: number;
  }): void {
    if (this.#groups.size === 0) return;
    const { link, bindings, surroundings, handlerMs } = options;
    const begin = (): void => {
      const { service: deployment, eventConsumers } = bindings.current();
      for (const group of this.#groups.values()) {
        const binding = eventConsumers[group.name];
        if (binding === undefined || deployment === undefined || this.#runners.has(group.name)) continue;
        this.#runners.set(group.name, new GroupRunner({ link, group, binding, deployment, surroundings, handlerMs }));
      }
    };
    begin();
    this.#stopListening = bindings.onChange(begin);
    for (const name of this.#groups.keys()) {
      if (!this.#runners.has(name))
        surroundings.log.warn("The platform has not made this consumer group yet; it begins when it has.", {
          group: name,
        });
    }
  }

  async drain(withinMs: number): Promise<void> {
    this.#stopListening?.();
    await Promise.all([...this.#runners.values()].map((runner) => runner.drain(withinMs)));
    this.#runners.clear();
  }

  close(): void {
    this.#stopListening?.();
    for (const runner of this.#runners.values()) runner.close();
    this.#runners.clear();
  }
}

/** Builds `handle.events.<group>`. */
export function eventRegistrars(
  groups: ReadonlyMap<string, ConsumerGroup>,
  isStarted: () => boolean,
): { readonly [group: string]: (handler: AnyEventHandler | { readonly [name: string]: AnyEventHandler }) => void } {
  return Object.fromEntries(
    [...groups.values()].map((group) => [
      group.name,
      (handler: AnyEventHandler | { readonly [name: string]: AnyEventHandler }) =>
        register(group, handler, isStarted()),
    ]),
  );
}

function register(
  group: ConsumerGroup,
  handler: AnyEventHandler | { readonly [name: string]: AnyEventHandler },
  late: boolean,
): void {
  if (late) {
    throw new ServiceSetupError(
      "handler_late",
      `The handler of the consumer group ${group.name} comes too late: register every handler before the service runs.`,
    );
  }
  if (group.handlerOf !== undefined) {
    throw new ServiceSetupError(
      "handler_repeated",
      `The consumer group ${group.name} has a handler already. Remove one of the two.`,
    );
  }
  if (typeof handler === "function") {
    group.handlerOf = () => handler;
    return;
  }
  const missing = [...group.events.keys()].filter((name) => !Object.hasOwn(handler, name));
  if (missing.length > 0) {
    throw new ServiceSetupError(
      "handler_missing",
      `The consumer group ${group.name} takes events that nothing handles: ${missing.join(", ")}.`,
    );
  }
  group.handlerOf = (name) => handler[name];
}

/** Refuses to run with a group whose events would pile up. */
export function requireGroupHandlers(contractId: string, groups: ReadonlyMap<string, ConsumerGroup>): void {
  const missing = [...groups.values()].filter((group) => group.handlerOf === undefined);
  if (missing.length === 0) return;
  const lines = missing.map(
    ({ name, events }) => `  ${[...events.keys()].join(", ")}: service.handle.events.${name}(async ({ event }) => …)`,
  );
  throw new ServiceSetupError(
    "handler_missing",
    `${contractId} takes events that nothing handles. Add before the service runs:\n${lines.join("\n")}`,
  );
}
