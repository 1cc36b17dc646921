import type { Link } from "@trellis/client/internal";
import { OPERATION_DEFAULTS, operationToken, surfacePath } from "@trellis/contracts";
import type { AnyContract, Bindings, ShapeOf } from "@trellis/contracts";
import { isOperationId } from "@trellis/protocol";
import type { CallSurroundings } from "../call.ts";
import type { FeedEndpoint } from "../feeds/feed-endpoint.ts";
import { ServiceSetupError } from "../registrars.ts";
import type { ServiceLimits } from "../limits.ts";
import type { RpcEndpoint } from "../rpc-endpoint.ts";
import type { Uploads } from "../transfers/uploads.ts";
import { deferredControl } from "./deferred-control.ts";
import { actionEndpoints, waitingEndpoints } from "./operation-actions.ts";
import type { ActionParts } from "./action-parts.ts";
import { OperationChanges } from "./operation-changes.ts";
import { OperationContracts } from "./operation-contracts.ts";
import { operationFacts } from "./operation-facts.ts";
import type { AnyOperationHandler, OperationControls, OperationRegistrars } from "./operation-handlers.ts";
import { OperationJournal } from "./operation-journal.ts";
import { OperationSweep } from "./operation-sweep.ts";
import { filesOfOperations } from "./operation-upload.ts";
import { watchEndpoint } from "./operation-watch.ts";
import { OperationWorker } from "./operation-worker.ts";

export interface ServiceOperationsOptions<C extends AnyContract> {
  readonly contract: C;
  readonly link: Link;
  /** The name a person gave the deployment. */
  readonly service: string;
  /** Tells this replica from its siblings. */
  readonly instance: string;
  readonly bindings: () => Bindings;
  readonly nowMs: () => number;
  readonly limits: ServiceLimits;
  readonly surroundings: CallSurroundings;
  readonly uploads: Uploads;
  readonly isStarted: () => boolean;
}

/** The operations of one service replica. */
export interface ServiceOperations<C extends AnyContract, Client, Deps> {
  readonly handle: OperationRegistrars<ShapeOf<C>, Client, Deps>;
  readonly controls: OperationControls<ShapeOf<C>>;
  /** What is answered at once. */
  readonly actions: readonly RpcEndpoint[];
  /** What is answered when an operation is over. */
  readonly waits: readonly RpcEndpoint[];
  readonly watches: readonly FeedEndpoint[];
  /** Operations at work here. */
  readonly running: number;
  requireHandlers(): void;
  /** Before anything is accepted. */
  prepare(): Promise<void>;
  /** Begins to take work. */
  start(): void;
  /** Answers those who wait, so that they ask another replica. */
  release(): void;
  drain(graceMs: number): Promise<{ readonly left: number }>;
  close(): void;
}

interface Parts extends ActionParts {
  readonly contracts: OperationContracts;
}

/** By then an item has come again whose replica is gone, and a sleeper was woken. */
const QUIET_MS = 2 * OPERATION_DEFAULTS.ackWaitMs;

export function createServiceOperations<C extends AnyContract, Client, Deps>(
  options: ServiceOperationsOptions<C>,
): ServiceOperations<C, Client, Deps> {
  const { contract, link, service, instance, limits, surroundings, nowMs, uploads, isStarted } = options;
  const facts = operationFacts(contract);
  const byToken = new Map([...facts.values()].map((each) => [operationToken(each.name), each]));
  const stopping = new AbortController();
  let made: Parts | undefined;
  let worker: OperationWorker | undefined;
  let sweep: OperationSweep | undefined;

  const parts = (): Parts => {
    if (made !== undefined) return made;
    const binding = options.bindings().operations;
    if (binding === undefined)
      throw new ServiceSetupError(
        "missing_resource",
        `The operations of ${contract.id} are not bound: the platform has not made their streams for this deployment. Look at \`trellis svc show\` for what is wrong with its resources.`,
      );
    const journal = new OperationJournal(link, service, binding);
    made = {
      journal,
      changes: new OperationChanges(link, journal),
      contracts: new OperationContracts({ contract, link, service, stream: journal.stream }),
      service,
      contractId: contract.id,
      digest: contract.digest,
      nowMs,
      uploads,
      stopping: stopping.signal,
    };
    return made;
  };

  const handle: { [group: string]: { [leaf: string]: (handler: AnyOperationHandler) => void } } = {};
  const controls: { [group: string]: { [leaf: string]: object } } = {};
  for (const each of facts.values()) {
    const { group, leaf } = surfacePath(each.name);
    (handle[group] ??= {})[leaf] = (handler) => {
      if (isStarted())
        throw new ServiceSetupError(
          "handler_late",
          `The handler of the operation ${each.name} comes too late: register every handler before the service runs.`,
        );
      if (each.handler !== undefined)
        throw new ServiceSetupError(
          "handler_repeated",
          `The operation ${each.name} has a handler already. Remove one of the two.`,
        );
      each.handler = handler;
    };
    (controls[group] ??= {})[leaf] = {
      control: (id: string) => {
        if (!isOperationId(id)) throw new RangeError(`"${id.slice(0, 80)}" cannot be the id of an operation.`);
        return deferredControl(each, id, parts);
      },
    };
  }

  return {
    // The names come from the same manifest the types come from; the type system cannot follow them through a loop.
    handle: handle as unknown as OperationRegistrars<ShapeOf<C>, Client, Deps>,
    controls: controls as unknown as OperationControls<ShapeOf<C>>,
    actions: [...facts.values()].flatMap((each) => actionEndpoints(each, service, parts)),
    waits: [...facts.values()].flatMap((each) => waitingEndpoints(each, service, parts)),
    watches: [...facts.values()].map((each) => watchEndpoint(each, service, parts)),
    get running() {
      return worker?.running ?? 0;
    },
    requireHandlers() {
      const missing = [...facts.values()].filter(({ handler }) => handler === undefined);
      if (missing.length === 0) return;
      const lines = missing.map(({ name }) => {
        const { group, leaf } = surfacePath(name);
        return `  ${name}: service.handle.operation.${group}.${leaf}(async ({ input, op }) => …)`;
      });
      throw new ServiceSetupError(
        "handler_missing",
        `${contract.id} promises ${missing.length === 1 ? "an operation" : "operations"} that nothing runs. Add before the service runs:\n${lines.join("\n")}`,
      );
    },
    async prepare() {
      if (facts.size > 0) await parts().contracts.keep();
    },
    start() {
      const binding = options.bindings().operations;
      if (facts.size === 0 || binding === undefined) return;
      const { journal, changes, contracts } = parts();
      uploads.purpose = filesOfOperations(journal, changes);
      worker = new OperationWorker({
        surroundings: { ...surroundings, link, journal, changes, contractId: contract.id, nowMs, uploads },
        binding,
        service,
        replica: instance,
        facts: byToken,
        maxRunning: limits.maxOperations,
        unfit: ({ name }, { digest }) => contracts.unfit(name, digest),
      });
      sweep = new OperationSweep({
        link,
        journal,
        service,
        nowMs,
        log: surroundings.log,
        everyMs: limits.operationSweepMs,
        quietMs: QUIET_MS,
      });
      sweep.start();
    },
    release() {
      stopping.abort();
    },
    async drain(graceMs) {
      sweep?.stop();
      return (await worker?.drain(graceMs)) ?? { left: 0 };
    },
    close() {
      stopping.abort();
      sweep?.stop();
      worker?.close();
      made?.changes.close();
    },
  };
}
