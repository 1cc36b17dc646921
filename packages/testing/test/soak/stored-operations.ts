import type { NatsConnection } from "@nats-io/nats-core";
import { readStored } from "../jobs/read-stored.ts";
import type { Run } from "./contract.ts";

/** What the journal of an operation says. */
export interface StoredOperation {
  readonly state: string;
  readonly output: unknown;
  /** What its output says about who ran which step. */
  readonly steps: { readonly [name: string]: Run };
  /** The kinds of its records: those of its history and those that are there. */
  readonly kinds: readonly string[];
}

/** Every operation of a service, by id, as its stream has them. */
export async function storedOperations(
  data: NatsConnection,
  service: string,
): Promise<ReadonlyMap<string, StoredOperation>> {
  const journals = `trellis.ops.${service}.journal.>`;
  const names = await data.request("$JS.API.STREAM.NAMES", JSON.stringify({ subject: journals }));
  const [stream] = names.json<{ streams: readonly string[] | null }>().streams ?? [];
  if (stream === undefined) throw new Error("There is no stream of operations.");
  const found = new Map<string, StoredOperation>();
  for (const { subject, data: bytes } of await readStored(data, stream)) {
    if (!subject.startsWith(`trellis.ops.${service}.journal.`)) continue;
    const record: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (!isRecord(record)) throw new Error(`What is stored at ${subject} is no record of an operation.`);
    const { snapshot, kind, history = [] } = record;
    const before = found.get(snapshot.id)?.kinds ?? [];
    found.set(snapshot.id, {
      state: snapshot.state,
      output: snapshot.output,
      steps: snapshot.output?.steps ?? {},
      // The last record brings the history of all before it.
      kinds: history.length > 0 ? history.map((entry) => entry.kind) : [...before, kind],
    });
  }
  return found;
}

interface Stored {
  readonly kind: string;
  readonly snapshot: {
    readonly id: string;
    readonly state: string;
    readonly output?: { readonly steps?: { readonly [name: string]: Run } };
  };
  readonly history?: readonly { readonly kind: string }[];
}

function isRecord(value: unknown): value is Stored {
  return typeof value === "object" && value !== null && "kind" in value && "snapshot" in value;
}
