import { isOver } from "@trellis/protocol";
import type { OperationSnapshot } from "@trellis/protocol";
import type { ActionParts } from "./action-parts.ts";
import type { OperationName } from "./operation-journal.ts";

/** Of a caller's own time, this much is left for the answer to reach it. */
const ANSWER_MS = 500;

/** The end of an operation, listened for from now on. */
export interface FollowedEnd extends Disposable {
  /** How it ended; nothing when its caller waits no longer, or this replica stops. */
  readonly snapshot: Promise<OperationSnapshot | undefined>;
}

export function followToEnd({ changes, stopping }: ActionParts, name: OperationName, remainingMs: number): FollowedEnd {
  const { promise, resolve } = Promise.withResolvers<OperationSnapshot | undefined>();
  const stop = changes.follow(name, ({ record }) => {
    if (isOver(record.snapshot.state)) resolve(record.snapshot);
  });
  const leave = (): void => resolve(undefined);
  const timer = setTimeout(leave, Math.max(0, remainingMs - ANSWER_MS));
  stopping.addEventListener("abort", leave, { once: true });
  if (stopping.aborted) leave();
  return {
    snapshot: promise,
    [Symbol.dispose]() {
      stop();
      clearTimeout(timer);
      stopping.removeEventListener("abort", leave);
    },
  };
}
