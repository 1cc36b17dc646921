import type { Caller } from "../authority.ts";
import type { Log } from "../log.ts";
import type { StoredObject } from "../store/store-types.ts";
import type { OperationHalt } from "./operation-halt.ts";
import type { OperationContext, RunningOperation, StepContext, Uploaded } from "./operation-handlers.ts";

/** The run of a handler, as far as its context knows it. */
export interface ContextRun {
  readonly origin: { readonly input: unknown; readonly caller: Caller };
  readonly handle: RunningOperation;
  readonly halted: OperationHalt;
  readonly log: Log;
}

/** What is the same for all handlers of a replica. */
export interface ContextSurroundings {
  readonly client: unknown;
  readonly deps: unknown;
}

/** What a handler gets. Its log and its signal are made when it asks for them. */
export class RunContext implements OperationContext<unknown>, Partial<Uploaded> {
  readonly input: unknown;
  readonly caller: Caller;
  readonly op: RunningOperation;
  readonly attempt: number;
  readonly client: unknown;
  readonly deps: unknown;
  readonly upload!: StoredObject;
  readonly #run: ContextRun;

  constructor(
    run: ContextRun,
    attempt: number,
    { client, deps }: ContextSurroundings,
    upload: StoredObject | undefined,
  ) {
    this.#run = run;
    this.input = run.origin.input;
    this.caller = run.origin.caller;
    this.op = run.handle;
    this.attempt = attempt;
    this.client = client;
    this.deps = deps;
    if (upload !== undefined) this.upload = upload;
  }

  get log(): Log {
    return this.#run.log;
  }

  get signal(): AbortSignal {
    return this.#run.halted.signal;
  }
}

/** What the function of a step gets. */
export class RunningStep implements StepContext {
  readonly key: string;
  readonly #halted: OperationHalt;

  constructor(key: string, halted: OperationHalt) {
    this.key = key;
    this.#halted = halted;
  }

  get signal(): AbortSignal {
    return this.#halted.signal;
  }
}
