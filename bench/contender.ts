/**
 * A contender of the RPC benchmark: one way to ask a question and get an answer. Client and server run in processes
 * of their own; each process loads this module and plays one side.
 */
export interface Contender {
  readonly name: string;
  readonly says: string;
  /** Starts answering; resolves when questions can be asked. */
  serve(address: string): Promise<void>;
  /** Connects; the function it resolves to asks once and checks the answer. */
  connect(address: string): Promise<() => Promise<void>>;
}

/** What the parent tells a worker, and what it hears. */
export type ToWorker =
  | { readonly type: "run"; readonly durationMs: number; readonly inFlight: number }
  | { readonly type: "burst"; readonly count: number }
  | { readonly type: "usage" };
export type FromWorker =
  | { readonly type: "ready" }
  | {
      readonly type: "ran";
      readonly calls: number;
      readonly elapsedMs: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
    }
  | { readonly type: "burst"; readonly failed: number; readonly firstFailure?: string; readonly elapsedMs: number }
  /** Of the whole process, all its threads, since it started. */
  | { readonly type: "usage"; readonly cpuMs: number; readonly rssMb: number }
  | { readonly type: "failed"; readonly message: string };
