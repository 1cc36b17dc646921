import { pause } from "@trellis/client/internal";
import type { Json } from "@trellis/contracts";
import {
  errorBody,
  isForCaller,
  isOver,
  OperationError,
  TransportError,
  UnexpectedError,
  ValidationError,
} from "@trellis/protocol";
import type { OperationSnapshot } from "@trellis/protocol";
import type { OperationFacts } from "./operation-facts.ts";
import type { DeferredControl } from "./operation-handlers.ts";
import type { OperationJournal, OperationName } from "./operation-journal.ts";
import { endAtRest } from "./operation-outside.ts";
import { standingOf } from "./operation-standing.ts";
import type { Standing } from "./operation-standing.ts";

export interface DeferredParts {
  readonly journal: OperationJournal;
  readonly nowMs: () => number;
}

/** The answer from outside may come before the handler has returned what `defer` gave it; so long it is waited for. */
const TRIES = 40;
const PAUSE_MS = 250;

/** Ends an operation whose handler has deferred it, from any replica. */
export function deferredControl(
  facts: OperationFacts,
  id: string,
  parts: () => DeferredParts,
): DeferredControl<unknown, unknown, unknown> {
  const name: OperationName = { operation: facts.name, id };
  return {
    id,
    snapshot: async () => (await standingOf(parts().journal, name))?.snapshot,
    async progress(value) {
      if (!facts.progress.check(value)) throw new ValidationError(facts.progress.errors(value));
      await change(parts(), name, (standing) => report(parts(), name, standing, value as Json));
    },
    async complete(output) {
      if (!facts.output.check(output)) throw new ValidationError(facts.output.errors(output));
      // The schema has said that it is JSON.
      await end(parts(), name, "completed", { state: "completed", output: output as Json });
    },
    async fail(error) {
      const logId = globalThis.crypto.randomUUID();
      const told = isForCaller(error, facts.declared) ? error : new UnexpectedError(logId);
      await end(parts(), name, "failed", { state: "failed", error: errorBody(told, logId) });
    },
  };
}

async function end(
  parts: DeferredParts,
  name: OperationName,
  kind: "completed" | "failed",
  to: Partial<OperationSnapshot>,
): Promise<void> {
  const { journal, nowMs } = parts;
  await change(parts, name, async (standing) => {
    const ended = await endAtRest(journal, name, standing, { kind, change: to, nowMs, message: undefined });
    return ended !== undefined;
  });
}

/** A progress of one that rests: it rests on. */
async function report(
  { journal, nowMs }: DeferredParts,
  name: OperationName,
  standing: Standing,
  progress: Json,
): Promise<boolean> {
  if (standing.stored === undefined) return false;
  const { record, sequence } = standing.stored;
  const { snapshot } = record;
  const told = { ...snapshot, progress, revision: snapshot.revision + 1, updatedAt: Math.round(nowMs()) };
  return (
    (await journal.append(name, { ...record, snapshot: told }, { after: sequence, withinMs: 20_000 })) !== undefined
  );
}

async function change(
  { journal }: DeferredParts,
  name: OperationName,
  write: (standing: Standing) => Promise<boolean>,
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const standing = await standingOf(journal, name);
    if (standing === undefined) throw new OperationError("not_found", name.id);
    if (isOver(standing.snapshot.state))
      throw new OperationError("over", name.id, `The operation is ${standing.snapshot.state} already.`);
    if (standing.stored?.record.kind === "parked" && standing.snapshot.pause?.for === "outside") {
      if (await write(standing)) return;
    } else await pause(PAUSE_MS);
  }
  const standing = await standingOf(journal, name);
  if (standing?.snapshot.pause?.for === "outside")
    throw new TransportError("retry_later", { message: "The operation changed again and again; try once more." });
  throw new OperationError("not_deferred", name.id);
}
