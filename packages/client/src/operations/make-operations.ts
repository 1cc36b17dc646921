import { surfacePath } from "@trellis/contracts";
import { TrellisError } from "@trellis/contracts";
import type { AnyContract, Json } from "@trellis/contracts";
import { isOver, randomToken, TransferError } from "@trellis/protocol";
import type { OperationFrame, OperationSnapshot, Sha256Stream } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { Reading } from "../feeds/feed-reading.ts";
import { pause, reconnectDelayMs } from "../reconnect-delay.ts";
import type { CallOptions, CallTransport } from "../rpc-call.ts";
import type { Body } from "../transfers/body-chunks.ts";
import { UploadSending } from "../transfers/upload-sending.ts";
import type { Uploaded, UploadOptions } from "../transfers/upload-sending.ts";
import { callableOperations, unknownOperation } from "./callable-operations.ts";
import type { CallableOperation } from "./callable-operations.ts";
import {
  controlOperation,
  isPassing,
  placeOf,
  runOperation,
  startOperation,
  waitForOperation,
} from "./operation-calls.ts";
import type { Accepted, OperationPlace } from "./operation-calls.ts";
import type { RunOptions, StartOptions, WaitOptions, WatchOptions } from "./operation-types.ts";

const TOKEN_CHARACTERS = 22;

/** Builds `client.operation` from the names a contract starts. */
export function makeOperations(
  contract: AnyContract,
  transport: CallTransport,
  newHash: () => Sha256Stream,
): { readonly operation: UntypedOperations; closeAll(error: Error): void } {
  const operations = callableOperations(contract);
  const underWay = new Set<Reading>();
  const callers = new Map<string, UntypedCaller>();
  const callerOf = (name: string): UntypedCaller => {
    let known = callers.get(name);
    if (known === undefined) {
      known = makeCaller(transport, operations.get(name) ?? unknownOperation(name), underWay, newHash);
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

function makeCaller(
  transport: CallTransport,
  operation: CallableOperation,
  underWay: Set<Reading>,
  newHash: () => Sha256Stream,
): UntypedCaller {
  const accept = (input: unknown, options?: StartOptions): AsyncResult<Accepted, TrellisError> =>
    new AsyncResult(startOperation(transport, operation, input, options));
  const started = (accepted: Accepted): UntypedStarted => ({
    ...makeRef(transport, operation, accepted, underWay),
    created: accepted.created,
    snapshot: accepted.snapshot,
  });
  return {
    start: (input, options) => accept(input, options).map(started),
    run: (input, options) => new AsyncResult(runOperation(transport, operation, input, options)),
    input: (input) => ({
      start: (options) => accept(input, options).map(started),
      transfer: (body, uploadOptions) => ({
        start: (options) =>
          accept(input, options).map((accepted) =>
            withUpload(started(accepted), upload(transport, operation, accepted, { body, newHash, ...uploadOptions })),
          ),
      }),
    }),
    resume(id) {
      const place = placeOf(id);
      if (place === undefined)
        throw new RangeError(`"${id.slice(0, 80)}" cannot be the id of an operation. An id is what start() answered.`);
      return makeRef(transport, operation, place, underWay);
    },
  };
}

/** Sends the file; an operation that is over, or takes none, wants no file any more. */
async function upload(
  transport: CallTransport,
  { name }: CallableOperation,
  { transfer }: Accepted,
  { body, newHash, ...options }: UploadOptions & { readonly body: Body; readonly newHash: () => Sha256Stream },
): Promise<Result<Uploaded, TrellisError>> {
  if (transfer === undefined)
    return err(
      new TransferError("unknown_transfer", { message: `This ${name} is over, or takes no file; nothing was sent.` }),
    );
  try {
    return ok(await new UploadSending(transport, { name, grant: transfer }, body, newHash, options).done);
  } catch (error) {
    if (error instanceof TrellisError) return err(error);
    throw error;
  }
}

/** Who waits for an operation hears at once that its file will not come. */
function withUpload(started: UntypedStarted, sent: Promise<Result<Uploaded, TrellisError>>): UntypedStarted {
  return {
    ...started,
    uploaded: new AsyncResult(sent),
    wait: (options) => {
      const failed = sent.then(async (result) => {
        // Of one that is over, it is its end that counts: it may have all it needs, and it may be why the file was refused.
        const isNews = !result.ok && !(await isKnownToBeOver(started));
        return isNews ? result : new Promise<never>(() => undefined);
      });
      return new AsyncResult(Promise.race([started.wait(options), failed]));
    },
  };
}

async function isKnownToBeOver(ref: UntypedRef): Promise<boolean> {
  const now = await ref.get();
  return now.ok && isOver(now.value.state);
}

function makeRef(
  transport: CallTransport,
  operation: CallableOperation,
  place: OperationPlace,
  underWay: Set<Reading>,
): UntypedRef {
  const control = (
    action: "get" | "cancel" | "signal",
    more: Parameters<typeof controlOperation>[4],
    options: CallOptions | undefined,
  ): ReturnType<typeof controlOperation> => controlOperation(transport, operation, action, place, more, options);
  const token = (): string => randomToken(TOKEN_CHARACTERS);
  return {
    id: place.id,
    service: place.service,
    operation: operation.name,
    get: (options) => new AsyncResult(control("get", {}, options)).map(({ snapshot }) => snapshot),
    wait: (options) => new AsyncResult(waitForOperation(transport, operation, place, options)),
    watch: (options = {}) => watchOperation(transport, operation, place, options, underWay),
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
  { id: operationId, service }: OperationPlace,
  { signal }: WatchOptions,
  underWay: Set<Reading>,
): AsyncGenerator<UntypedUpdate, undefined, undefined> {
  const watched = operation.watch(service);
  let cursor: string | undefined;
  for (let failures = 0; ; failures += 1) {
    const options = {
      reopen: true,
      ...(signal === undefined ? {} : { signal }),
      ...(cursor === undefined ? {} : { cursor }),
    };
    const reading = new Reading(transport, watched, { operationId }, options, underWay);
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
  readonly service: string;
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
  readonly uploaded?: AsyncResult<Uploaded, TrellisError>;
}

interface UntypedBuilder {
  start(options?: StartOptions): AsyncResult<UntypedStarted, TrellisError>;
}

interface UntypedCaller {
  start(input: unknown, options?: StartOptions): AsyncResult<UntypedStarted, TrellisError>;
  run(input: unknown, options?: RunOptions): AsyncResult<unknown, TrellisError>;
  input(input: unknown): UntypedBuilder & { transfer(body: Body, options?: UploadOptions): UntypedBuilder };
  resume(id: string): UntypedRef;
}

/** What `client.operation` is before types are laid over it. */
export type UntypedOperations = (name: string) => UntypedCaller;
