import type { Json } from "@trellis/contracts";
import type { StoredRecord } from "./operation-record.ts";

/** A signal as it was handed to a run. */
export interface Signal {
  readonly name: string;
  readonly input: Json;
  readonly sequence: number;
}

/** What the runs before this one have recorded for their handler, by name. */
export interface Remembered {
  readonly steps: ReadonlyMap<string, Json | undefined>;
  readonly slept: ReadonlyMap<string, number>;
  readonly attached: ReadonlySet<string>;
  readonly signals: readonly Signal[];
  readonly checkpoint: unknown;
}

/** Of an operation that begins; most do nothing else than begin and end. */
export const NOTHING: Remembered = {
  steps: new Map(),
  slept: new Map(),
  attached: new Set(),
  signals: [],
  checkpoint: undefined,
};

export function remembered(records: readonly StoredRecord[]): Remembered {
  const steps = new Map<string, Json | undefined>();
  const slept = new Map<string, number>();
  const attached = new Set<string>();
  const signals: Signal[] = [];
  let checkpoint: unknown;
  for (const { record } of records) {
    const { kind, name = "", value, until = 0, inbox = 0 } = record;
    if (kind === "step") steps.set(name, value);
    else if (kind === "slept") slept.set(name, until);
    else if (kind === "attached") attached.add(name);
    else if (kind === "checkpoint") checkpoint = value;
    else if (kind === "signal") signals.push({ name, input: value ?? null, sequence: inbox });
  }
  return { steps, slept, attached, signals, checkpoint };
}
