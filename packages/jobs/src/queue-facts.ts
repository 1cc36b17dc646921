import { compileSchema } from "@trellis/contracts";
import type { CompiledSchema, JobManifest, Manifest, RateManifest } from "@trellis/contracts";

/** What the contract says about one queue, with what is assumed where it is silent (protocol §3). */
export interface QueueFacts {
  readonly queue: string;
  readonly contractId: string;
  readonly payload: CompiledSchema;
  /** Absent: the job has no result. */
  readonly result: CompiledSchema | undefined;
  readonly maxDeliver: number;
  readonly backoffMs: readonly number[];
  readonly ackWaitMs: number;
  readonly defaultDeadlineMs: number | undefined;
  readonly progress: boolean;
  readonly logs: boolean;
  readonly dlq: boolean;
  readonly concurrency: number;
  readonly priorities: boolean;
  readonly rate: RateManifest | undefined;
  readonly perGroup: JobManifest["perGroup"];
}

export const JOB_DEFAULTS = {
  maxDeliver: 5,
  backoffMs: [5_000, 30_000, 120_000, 600_000, 1_800_000],
  ackWaitMs: 300_000,
  concurrency: 1,
} as const;

/** The queues of a contract, by name. */
export function queuesOf(manifest: Manifest): ReadonlyMap<string, QueueFacts> {
  const schema = (name: string): CompiledSchema => compileSchema(manifest.schemas?.[name] ?? false);
  return new Map(
    Object.entries(manifest.jobs ?? {}).map(([queue, declared]) => [
      queue,
      {
        queue,
        contractId: manifest.id,
        payload: schema(declared.payload.schema),
        result: declared.result === undefined ? undefined : schema(declared.result.schema),
        maxDeliver: declared.maxDeliver ?? JOB_DEFAULTS.maxDeliver,
        backoffMs: declared.backoffMs ?? JOB_DEFAULTS.backoffMs,
        ackWaitMs: declared.ackWaitMs ?? JOB_DEFAULTS.ackWaitMs,
        defaultDeadlineMs: declared.defaultDeadlineMs,
        progress: declared.progress ?? true,
        logs: declared.logs ?? true,
        dlq: declared.dlq ?? true,
        concurrency: declared.concurrency ?? JOB_DEFAULTS.concurrency,
        priorities: declared.priorities === true,
        rate: declared.rate,
        perGroup: declared.perGroup,
      },
    ]),
  );
}

/** A delivery this much before the end of the acknowledgement wait still counts as one after it. */
const ALMOST = 0.9;

/** How much longer a claim of this age is taken for alive: until its work would have come again. */
export function aliveForMs({ ackWaitMs }: QueueFacts, ageMs: number): number {
  return ageMs < ackWaitMs * ALMOST ? ackWaitMs - ageMs : 0;
}

/** The pause after this attempt (1 is the first); the last one is repeated. */
export function backoffAfter({ backoffMs }: QueueFacts, attempt: number): number {
  return backoffMs[Math.min(attempt, backoffMs.length) - 1] ?? 0;
}
