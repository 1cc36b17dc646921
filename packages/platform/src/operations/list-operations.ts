import type { OperationSnapshot, OperationState } from "@trellis/protocol";
import type { OperationJournal } from "@trellis/server/internal";
import { begunOperations } from "./begun-operations.ts";
import { waitingOperations } from "./waiting-operations.ts";

/** The operations of one service. */
export interface ServiceOperations {
  readonly service: string;
  readonly journal: OperationJournal;
}

export interface OperationFilter {
  readonly operation?: string;
  readonly state?: OperationState;
}

export interface ListedOperation {
  readonly owner: string;
  readonly ownerName?: string;
  readonly snapshot: OperationSnapshot;
}

/** Where a list goes on: `<service>:<part>:<sequence>`. */
interface Place {
  readonly service: string;
  readonly part: "queue" | "journal";
  /** Nothing: at the beginning of that part. */
  readonly sequence?: number;
}

/**
 * Operations of several services: one service after the other, of each first what waits for a replica, then the others
 * from the newest on. Nothing is kept in memory for it, so it costs what it shows.
 */
export async function listOperations(
  services: readonly ServiceOperations[],
  { operation, state }: OperationFilter,
  limit: number,
  cursor: string | undefined,
): Promise<{ readonly operations: readonly ListedOperation[]; readonly nextCursor?: string }> {
  const wanted = (snapshot: OperationSnapshot): boolean =>
    (state === undefined || snapshot.state === state) && (operation === undefined || snapshot.operation === operation);
  const operations: ListedOperation[] = [];
  const begin = cursor === undefined ? undefined : readPlace(cursor);
  for (const { service, journal } of services) {
    if (begin !== undefined && service < begin.service) continue;
    const here = begin?.service === service ? begin : undefined;
    if (here?.part !== "journal" && (state === undefined || state === "pending")) {
      const page = await waitingOperations(journal, {
        from: here?.sequence ?? 1,
        limit: limit - operations.length,
        wanted: ({ snapshot }) => wanted(snapshot),
      });
      operations.push(
        ...page.found.map(({ origin: { owner, caller }, snapshot }) => ({ owner, ownerName: caller.name, snapshot })),
      );
      if (operations.length === limit) {
        const { next } = page;
        const place: Place =
          next === undefined ? { service, part: "journal" } : { service, part: "queue", sequence: next };
        return { operations, nextCursor: writePlace(place) };
      }
    }
    const page = await begunOperations(journal, service, {
      operation,
      before: here?.part === "journal" ? here.sequence : undefined,
      limit: limit - operations.length,
      wanted: ({ record }) => wanted(record.snapshot),
    });
    operations.push(
      ...page.found.map(({ record: { owner, origin, snapshot } }) => ({
        owner,
        ...(origin === undefined ? {} : { ownerName: origin.caller.name }),
        snapshot,
      })),
    );
    if (page.next !== undefined)
      return { operations, nextCursor: writePlace({ service, part: "journal", sequence: page.next }) };
    const following = services.find((other) => other.service > service);
    if (operations.length === limit && following !== undefined)
      return { operations, nextCursor: writePlace({ service: following.service, part: "queue" }) };
  }
  return { operations };
}

function writePlace({ service, part, sequence }: Place): string {
  return `${service}:${part}:${sequence ?? ""}`;
}

/** What is no place begins at the beginning: a cursor is an answer of ours or a slip. */
function readPlace(cursor: string): Place | undefined {
  const [, service = "", part, sequence] = /^([a-z0-9-]+):(queue|journal):(\d*)$/.exec(cursor) ?? [];
  if (part !== "queue" && part !== "journal") return undefined;
  return { service, part, ...(sequence === "" ? {} : { sequence: Number(sequence) }) };
}
