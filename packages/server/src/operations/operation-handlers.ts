import type { ContractShape, OperationShape, SurfaceGroup, SurfaceLeaf } from "@trellis/contracts";
import type { JobEnded, JobRef } from "@trellis/jobs";
import type { Result } from "@trellis/result";
import type { OperationSnapshot } from "@trellis/protocol";
import type { Caller } from "../authority.ts";
import type { BuiltInError } from "../built-in-error.ts";
import type { Log } from "../log.ts";
import type { StoredObject } from "../store/store-types.ts";

/** A signal a caller sent to a running operation. */
export type OperationSignal<Signals extends object> = {
  readonly [N in keyof Signals & string]: {
    readonly name: N;
    readonly input: Signals[N];
    /** Its place among the signals of the operation: greater is later. */
    readonly sequence: number;
  };
}[keyof Signals & string];

/** What the function of a step gets. */
export interface StepContext {
  /** The same each time this step of this operation runs: an idempotency key for systems outside. */
  readonly key: string;
  readonly signal: AbortSignal;
}

declare const DEFERRED: unique symbol;

/** What `op.defer()` answers and the handler returns: somebody else ends this operation. */
export interface Deferred {
  readonly [DEFERRED]: true;
}

/** The operation a handler runs. Whatever awaits it goes on in another process when this one dies. */
export interface RunningOperation<Progress = unknown, Signals extends object = object> {
  readonly id: string;
  /**
   * Grows with every claim on this operation: hand it to systems outside, and let them refuse a smaller one than they have
   * seen; then a replica that was paused and overtaken can do no harm there either.
   */
  readonly fence: number;
  /** Tells watchers how far it is. The newest value counts; some in between may be skipped. */
  progress(value: Progress): void;
  /**
   * Runs a function and remembers its result: when the operation goes on elsewhere or again, the result is there and the
   * function is not run. The name is used once in an operation. A function that throws is remembered as nothing.
   */
  step<T>(name: string, run: (context: StepContext) => T | PromiseLike<T>): Promise<T>;
  /** Keeps a value for whoever goes on with this operation. */
  checkpoint(value: unknown): Promise<void>;
  /** The last checkpoint that was kept before this run. */
  readonly resumeFrom: unknown;
  /** Waits, without holding anything in memory when it is for longer: the handler begins again then and comes here. */
  sleep(ms: number): Promise<void>;
  /** The next signal of this name that was not handed out before. */
  nextSignal<N extends keyof Signals & string>(name: N): Promise<Signals[N]>;
  /** Every signal, those that came before too. */
  signals(): AsyncIterable<OperationSignal<Signals>>;
  /** `return op.defer()`: ends this run and leaves the end to `service.operation.<group>.<leaf>.control(id)`. */
  defer(): Deferred;
  /** Waits for a job and is cancelled together with it; make the job with a key, so that there is one however often this runs. */
  attach<R>(job: JobRef<R>): Promise<Result<R, JobEnded | Error>>;
}

/** What the handler of an operation gets. */
export interface OperationContext<
  Input,
  Progress = unknown,
  Signals extends object = object,
  Client = unknown,
  Deps = unknown,
> {
  /** Checked against the contract's schema. */
  readonly input: Input;
  /** Who started it, as the control plane knew them then. */
  readonly caller: Caller;
  readonly op: RunningOperation<Progress, Signals>;
  /** Aborts when the operation is cancelled, its deadline passes, another replica has it, or the service stops. */
  readonly signal: AbortSignal;
  /** 1 for the first; one more each time an attempt failed or its process died. */
  readonly attempt: number;
  /** The service's log with this operation on every line. */
  readonly log: Log;
  /** Calls what the contract uses. */
  readonly client: Client;
  /** What the service was connected with. */
  readonly deps: Deps;
}

/** What an operation that takes a file gets besides: the file, which is in the store the contract names. */
export interface Uploaded {
  readonly upload: StoredObject;
}

type Outcome<Output, Failure> = Result<Output, Failure | BuiltInError> | Deferred;

/**
 * Runs one operation. It may be run again from the top at any time, in another process too, so effects belong in steps.
 * A declared error, answered or thrown, ends it as failed. Anything else that is thrown is tried again with the declared
 * pauses.
 */
export type OperationHandler<O extends OperationShape, Client = unknown, Deps = unknown> = (
  context: OperationContext<O["input"], O["progress"], O["signals"], Client, Deps> &
    (O["transfer"] extends true ? Uploaded : unknown),
) => Outcome<O["output"], O["error"]> | PromiseLike<Outcome<O["output"], O["error"]>>;

type GroupsOf<M> = SurfaceGroup<keyof M & string>;

/** `handle.operation.<group>.<leaf>(handler)`, one for every operation the contract owns. */
export type OperationRegistrars<S extends ContractShape, Client = unknown, Deps = unknown> = {
  readonly [G in GroupsOf<S["operations"]>]: {
    readonly [N in keyof S["operations"] & string as SurfaceGroup<N> extends G ? SurfaceLeaf<N> : never]: (
      handler: OperationHandler<S["operations"][N], Client, Deps>,
    ) => void;
  };
};

/** Ends an operation that its handler has deferred. Any replica may. */
export interface DeferredControl<Output, Progress, Failure> {
  readonly id: string;
  /** Where it stands; `undefined` when there is no such operation. */
  snapshot(): Promise<OperationSnapshot | undefined>;
  /** Tells watchers how far it is. */
  progress(value: Progress): Promise<void>;
  complete(output: Output): Promise<void>;
  fail(error: Failure | BuiltInError): Promise<void>;
}

/** `service.operation.<group>.<leaf>.control(id)` */
export type OperationControls<S extends ContractShape> = {
  readonly [G in GroupsOf<S["operations"]>]: {
    readonly [N in keyof S["operations"] & string as SurfaceGroup<N> extends G ? SurfaceLeaf<N> : never]: {
      control(
        id: string,
      ): DeferredControl<S["operations"][N]["output"], S["operations"][N]["progress"], S["operations"][N]["error"]>;
    };
  };
};

/** A handler once its types have done their work. */
export type AnyOperationHandler = (context: OperationContext<unknown> & Partial<Uploaded>) => unknown;
