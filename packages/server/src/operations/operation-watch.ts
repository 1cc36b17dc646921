import { compileSchema, operationControlSubject } from "@trellis/contracts";
import { isOperationId, isOver, OperationError } from "@trellis/protocol";
import type { OperationControl, OperationFrame } from "@trellis/protocol";
import type { FeedEndpoint } from "../feeds/feed-endpoint.ts";
import { frame } from "../feeds/feed-handlers.ts";
import type { FeedContext, FeedFrame } from "../feeds/feed-handlers.ts";
import type { OperationChanges } from "./operation-changes.ts";
import { CONTROL_BODY } from "./operation-control-body.ts";
import { eventOf } from "./operation-events.ts";
import type { OperationFacts } from "./operation-facts.ts";
import type { OperationJournal } from "./operation-journal.ts";
import { standingFor } from "./operation-standing.ts";
import type { StoredRecord } from "./operation-record.ts";

/** A reader that is further behind gets the newest snapshot instead of what lies between. */
const UNREAD = 256;

/** `<operation>.control.watch.<deployment>`: a stream of frames that ends with the operation. */
export function watchEndpoint(
  facts: OperationFacts,
  service: string,
  parts: () => { readonly journal: OperationJournal; readonly changes: OperationChanges },
): FeedEndpoint {
  return {
    name: `${facts.name} (watch)`,
    subject: operationControlSubject(facts.subject, "watch", service),
    root: facts.subject,
    input: CONTROL_BODY,
    event: compileSchema(true),
    required: facts.required.watch,
    declared: new Set(["OperationError"]),
    handler: (context) => watch(facts, parts(), context),
  };
}

async function* watch(
  facts: OperationFacts,
  { journal, changes }: { readonly journal: OperationJournal; readonly changes: OperationChanges },
  { input, cursor, caller, signal }: FeedContext<unknown>,
): AsyncGenerator<FeedFrame<OperationFrame>> {
  // The schema has said what it is.
  const { operationId: id } = input as OperationControl;
  if (!isOperationId(id)) throw new OperationError("not_found", id.slice(0, 80));
  const name = { operation: facts.name, id };
  let unread: StoredRecord[] = [];
  let wake: (() => void) | undefined;
  const stop = changes.follow(name, (stored) => {
    if (unread.length >= UNREAD) unread = [];
    unread.push(stored);
    wake?.();
  });
  const onAbort = (): void => wake?.();
  signal.addEventListener("abort", onAbort);
  try {
    let { snapshot } = await standingFor(journal, name, caller.id);
    // Of a reader that comes back, nothing has been missed when this is where it stood.
    if (Number(cursor) !== snapshot.revision || isOver(snapshot.state))
      yield frame({ type: "snapshot", snapshot }, String(snapshot.revision));
    while (!isOver(snapshot.state) && !signal.aborted) {
      const next = unread.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
        continue;
      }
      const { record } = next;
      if (record.snapshot.revision <= snapshot.revision) continue;
      const missed = record.snapshot.revision > snapshot.revision + 1;
      ({ snapshot } = record);
      const event = eventOf(record);
      if (event !== undefined)
        yield frame({ type: "event", sequence: snapshot.revision, event }, String(snapshot.revision));
      else if (missed) yield frame({ type: "snapshot", snapshot }, String(snapshot.revision));
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}
