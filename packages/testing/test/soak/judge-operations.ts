import { isDeepStrictEqual } from "node:util";
import type { Effect } from "./effects.ts";
import { ranToItsEnd } from "./judge-jobs.ts";
import type { Answer } from "./load.ts";
import type { StoredOperation } from "./stored-operations.ts";

const ENDS: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

/** What is wrong with operations, as their journals and what handlers did say; nothing when all is well. */
export function judgeOperations(
  accepted: ReadonlyMap<string, Answer | undefined>,
  stored: ReadonlyMap<string, StoredOperation>,
  effects: ReadonlyMap<string, readonly Effect[]>,
): readonly string[] {
  const wrong: string[] = [];
  for (const [id, answer] of accepted) {
    const operation = stored.get(id);
    const say = (what: string): void => void wrong.push(`operation ${id} ${what}: ${tell(operation)}`);
    if (operation === undefined) say("was accepted and is not there");
    else if (answer === undefined) say("has a wait that was never answered");
    else if (answer.state !== operation.state || !isDeepStrictEqual(answer.result, operation.output))
      say(`was answered otherwise (${JSON.stringify(answer)})`);
  }
  for (const [id, operation] of stored) {
    const say = (what: string): void => void wrong.push(`operation ${id} ${what}: ${tell(operation)}`);
    if (!ENDS.has(operation.state)) say("has no end");
    if (operation.kinds.filter((kind) => ENDS.has(kind)).length > 1) say("has more than one end");
    if (operation.state !== "completed") continue;
    const did = effects.get(id) ?? [];
    if (!ranToItsEnd(operation.output, did)) say("completed with a run that did not end");
    for (const [step, by] of Object.entries(operation.steps)) {
      // A replica that was paused may run the function of a step late, but under its old fence.
      const again = did.filter(({ what, run }) => what === step && run.fence > by.fence);
      if (again.length > 0) say(`ran the step ${step} again after its result was recorded (${JSON.stringify(again)})`);
    }
  }
  return wrong;
}

function tell(operation: StoredOperation | undefined): string {
  return operation === undefined ? "no record" : `${operation.state}, ${operation.kinds.join(" ")}`;
}
