import { surfacePath } from "@trellis/contracts";
import type { AnyContract, Json, TrellisError } from "@trellis/contracts";
import { isOperationId, randomToken } from "@trellis/protocol";
import type { OperationFrame, OperationSnapshot } from "@trellis/protocol";
import { AsyncResult } from "@trellis/result";
import { Reading } from "../feeds/feed-reading.ts";
import { pause, reconnectDelayMs } from "../reconnect-delay.ts";
import type { CallOptions, CallTransport } from "../rpc-call.ts";
import { callableOperations, unknownOperation } from "./callable-operations.ts";
import type { CallableOperation } from "./callable-operations.ts";
import { controlOperation, isPassing, startOperation, waitForOperation } from "./operation-calls.ts";
import type { StartOptions, WaitOptions, WatchOptions } from "./operation-types.ts";

const TOKEN_CHARACTERS = 22;

/** Builds `client.operation` from the names a contract starts. */
export function makeOperations(
  contract: AnyContract,
  transport: CallTransport,
): { readonly operation: UntypedOperations; closeAll(error: Error): void } {
  const operations = callableOperations(contract);
  const underWay = new Set<Reading>();
  const callers = new Map<string, UntypedCaller>();
  const callerOf = (name: string): UntypedCaller => {
    let known = callers.get(name);
    if (known === undefined) {
      known = makeCaller(transport, operations.get(name) ?? unknownOperation(name), underWay);
      callers.set(name, known);
    }
    return known;
  };
  const operation: UntypedOperations = (name) => callerOf(name);
  const groups = new Map<string, { [leaf: string]: UntypedCaller }>();
  for (const [name, { selected }] of operations) {
    if (!selected) continue;
    const { group, leaf } = surfacePath(name);
    const leaves = groups.get(group) ?? {};
    leaves[leaf] = callerOf(name);
    groups.set(group, leaves);
  }
  // Defined, not assigned: a group may have the name of a property that functions have.
  for (const [group, leaves] of groups) Object.defineProperty(operation, group, { value: leaves, enumerable: true });
  return {
    operation,
    closeAll(error) {
      for (const reading of underWay) reading.close(error);
    },
  };
}

function makeCaller(transport: CallTransport, operation: CallableOperation, underWay: Set<Reading>): UntypedCaller {
  const start = (input: unknown, options?: StartOptions): AsyncResult<UntypedStarted, TrellisError> =>
    new AsyncResult(startOperation(transport, operation, input, options)).map(({ id, created, snapshot }) => ({
      ...makeRef(transport, operation, id, underWay),
      created,
      snapshot,
    }));
  return {
    start,
    input: (input) => ({ start: (options) => start(input, options) }),
    resume(id) {
      if (!isOperationId(id))
        throw new RangeError(`"${id.slice(0, 80)}" cannot be the id of an operation. An id is what start() answered.`);
      return makeRef(transport, operation, id, underWay);
    },
  };
}

function makeRef(
  transport: CallTransport,
  operation: CallableOperation,
  operationId: string,
  underWay: Set<Reading>,
): UntypedRef {
  const control = (
    action: "get" | "cancel" | "signal",
    body: object,
    options: CallOptions | undefined,
  ): ReturnType<typeof controlOperation> =>
    controlOperation(transport, operation, action, { operationId, ...body }, options);
  const token = (): string => randomToken(TOKEN_CHARACTERS);
  return {
    id: operationId,
    operation: operation.name,
    get: (options) => new AsyncResult(control("get", {}, options)).map(({ snapshot }) => snapshot),
    wait: (options) => new AsyncResult(waitForOperation(transport, operation, operationId, options)),
    watch: (options = {}) => watchOperation(transport, operation, operationId, options, underWay),
    cancel: (reason, options) =>
      new AsyncResult(control("cancel", { token: token(), ...(reason === undefined ? {} : { reason }) }, options)).map(
        ({ snapshot }) => snapshot,
      ),
    signal: (name, input, options) =>
      new AsyncResult(control("signal", { signal: name, input, token: token() }, options)).map(
        ({ snapshot, signalSequence }) => ({ sequence: signalSequence, snapshot }),
      ),
  };
}

/** Reads on over as many streams as it takes: what is lost is opened again where it stood. */
async function* watchOperation(
  transport: CallTransport,
  operation: CallableOperation,
  operationId: string,
  { signal }: WatchOptions,
  underWay: Set<Reading>,
): AsyncGenerator<UntypedUpdate, undefined, undefined> {
  let cursor: string | undefined;
  for (let failures = 0; ; failures += 1) {
    const options = {
      reopen: true,
      ...(signal === undefined ? {} : { signal }),
      ...(cursor === undefined ? {} : { cursor }),
    };
    const reading = new Reading(transport, operation.watch, { operationId }, options, underWay);
    try {
      for await (const frame of reading) {
        failures = 0;
        ({ cursor } = reading);
        yield updateOf(frame);
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof Error) || !isPassing(error) || signal?.aborted === true) throw error;
      if (!(await pause(reconnectDelayMs(failures), signal))) throw error;
    } finally {
      await reading.return();
    }
  }
}

/** The reading has checked that it is a frame. */
function updateOf(read: unknown): UntypedUpdate {
  const frame = read as OperationFrame;
  return frame.type === "event" ? frame.event : frame;
}

interface UntypedUpdate {
  readonly type: string;
  readonly name?: string;
  readonly snapshot: OperationSnapshot;
}

interface UntypedRef {
  readonly id: string;
  readonly operation: string;
  get(options?: CallOptions): AsyncResult<OperationSnapshot, TrellisError>;
  wait(options?: WaitOptions): AsyncResult<unknown, TrellisError>;
  watch(options?: WatchOptions): AsyncIterableIterator<UntypedUpdate, undefined, undefined>;
  cancel(reason?: string, options?: CallOptions): AsyncResult<OperationSnapshot, TrellisError>;
  signal(
    name: string,
    input: Json,
    options?: CallOptions,
  ): AsyncResult<{ readonly sequence: number; readonly snapshot: OperationSnapshot }, TrellisError>;
}

interface UntypedStarted extends UntypedRef {
  readonly created: boolean;
  readonly snapshot: OperationSnapshot;
}

interface UntypedCaller {
  start(input: unknown, options?: StartOptions): AsyncResult<UntypedStarted, TrellisError>;
  input(input: unknown): { start(options?: StartOptions): AsyncResult<UntypedStarted, TrellisError> };
  resume(id: string): UntypedRef;
}

/** What `client.operation` is before types are laid over it. */
export type UntypedOperations = (name: string) => UntypedCaller;
