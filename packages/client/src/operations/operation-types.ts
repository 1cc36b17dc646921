import type { AnyContract, CallableOperations, Nested } from "@trellis/contracts";
import type { OperationError, OperationEventType, OperationSnapshot, TransferError } from "@trellis/protocol";
import type { AsyncResult } from "@trellis/result";
import type { CallError } from "../call-error.ts";
import type { CallOptions } from "../rpc-call.ts";
import type { Body } from "../transfers/body-chunks.ts";
import type { Uploaded, UploadOptions } from "../transfers/upload-sending.ts";

interface OperationFacts {
  readonly input: unknown;
  readonly progress: unknown;
  readonly output: unknown;
  readonly error: unknown;
  readonly signals: object;
  readonly transfer: boolean;
}

/** Where an operation stands, with the types of its contract. */
export type SnapshotOf<O extends OperationFacts> = Omit<OperationSnapshot, "progress" | "output"> & {
  readonly progress?: O["progress"];
  readonly output?: O["output"];
};

/** What a watch tells: first where the operation stands, then what happens to it. */
export interface OperationUpdate<O extends OperationFacts> {
  /** `snapshot`: where it stands; also when what happened in between was too much to tell. */
  readonly type: OperationEventType | "snapshot";
  /** The name of the step or signal. */
  readonly name?: string;
  readonly snapshot: SnapshotOf<O>;
}

export interface StartOptions extends CallOptions {
  /** One operation a key in each deployment: whoever starts it again with the same key gets the one that is there. */
  readonly key?: string;
  /** The deployment that is to run it, where several run this contract; without it, whichever takes it. */
  readonly service?: string;
  /** It fails when it is not finished so long after it was accepted. Default: what the contract says. */
  readonly deadlineMs?: number;
}

export interface RunOptions extends WaitOptions, Pick<StartOptions, "key" | "service" | "deadlineMs"> {}

export interface WatchOptions {
  /** Ends the watch; the loop throws the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface WaitOptions {
  /** Gives up waiting; the operation goes on. Without it: as long as it takes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** How asking about an operation may fail. */
export type OperationFailure = OperationError | CallError;

/** One operation, wherever it runs. */
export interface OperationRef<O extends OperationFacts> {
  readonly id: string;
  /** The deployment that has it. */
  readonly service: string;
  /** The logical name. */
  readonly operation: string;
  /** Where it stands now. */
  get(options?: CallOptions): AsyncResult<SnapshotOf<O>, OperationFailure>;
  /** Its output, or how it ended without one. Goes on over reconnections and replicas that die. */
  wait(options?: WaitOptions): AsyncResult<O["output"], O["error"] | OperationFailure>;
  /** What happens to it, until it is over. Goes on over reconnections and replicas that die. */
  watch(options?: WatchOptions): AsyncIterableIterator<OperationUpdate<O>, undefined, undefined>;
  /** Asks for it to be cancelled: at once when nobody runs it, otherwise its handler is told. */
  cancel(reason?: string, options?: CallOptions): AsyncResult<SnapshotOf<O>, OperationFailure>;
  /** Resolves when the signal is stored: the operation gets it, whatever dies. */
  signal<N extends keyof O["signals"] & string>(
    name: N,
    input: O["signals"][N],
    options?: CallOptions,
  ): AsyncResult<{ readonly sequence: number; readonly snapshot: SnapshotOf<O> }, OperationFailure>;
}

/** An operation that was just started, or found by its key. */
export interface StartedOperation<O extends OperationFacts> extends OperationRef<O> {
  /** False when its key had started it before. */
  readonly created: boolean;
  /** Where it stood when the answer came. */
  readonly snapshot: SnapshotOf<O>;
}

/** An operation that was started with a file. */
export interface UploadingOperation<O extends OperationFacts> extends StartedOperation<O> {
  /** Resolves when the file is stored, and the operation can begin; `wait` fails at once if it never will be. */
  readonly uploaded: AsyncResult<Uploaded, OperationFailure | TransferError>;
}

/** An operation with its input, about to be started. */
export interface OperationBuilder<O extends OperationFacts> {
  start(options?: StartOptions): AsyncResult<StartedOperation<O>, OperationFailure>;
  /** Takes the file that goes with it, where the contract says that one does; dynamic code has to look. */
  readonly transfer:
    (true extends O["transfer"] ? StartWithFile<O> : never) | (false extends O["transfer"] ? undefined : never);
}

/** The file: bytes, a `Blob`, a stream, or anything that gives bytes piece by piece. */
type StartWithFile<O extends OperationFacts> = (
  body: Body,
  options?: UploadOptions,
) => { start(options?: StartOptions): AsyncResult<UploadingOperation<O>, OperationFailure> };

/** `client.operation.<group>.<leaf>` */
export interface OperationCaller<O extends OperationFacts> {
  /** Resolves when the operation is stored: it is then brought to an end, whatever dies. */
  start(input: O["input"], options?: StartOptions): AsyncResult<StartedOperation<O>, OperationFailure>;
  /** Starts it and waits for its output, in one request where it is over soon: as safe as `start` and then `wait`, and quicker. */
  run(input: O["input"], options?: RunOptions): AsyncResult<O["output"], O["error"] | OperationFailure>;
  /** `start` in two steps, for one that takes a file. */
  input(input: O["input"]): OperationBuilder<O>;
  /** One that was started before, here or elsewhere, by the same principal. */
  resume(id: string): OperationRef<O>;
}

type OperationCallers<M> = { readonly [N in keyof M]: M[N] extends OperationFacts ? OperationCaller<M[N]> : never };

/** `client.operation.billing.refund` and, for dynamic code, `client.operation("Billing.Refund")`. */
export type ClientOperations<C extends AnyContract> = Nested<OperationCallers<CallableOperations<C>>> &
  (<N extends keyof CallableOperations<C> & string>(
    name: N,
  ) => CallableOperations<C>[N] extends OperationFacts ? OperationCaller<CallableOperations<C>[N]> : never);
