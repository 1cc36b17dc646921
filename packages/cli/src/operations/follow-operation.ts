import type { OperationPause, OperationSnapshot } from "@trellis/protocol";
import type { AsyncResult } from "@trellis/result";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { answerOf } from "../platform-client/answer.ts";
import { asFailure } from "../platform-client/as-failure.ts";
import { whyPaused } from "./operation-text.ts";
import { barOf } from "./progress-bar.ts";

interface Update {
  readonly type: string;
  readonly name?: string;
  readonly snapshot: Omit<OperationSnapshot, "progress" | "output"> & { readonly progress?: unknown };
}

/** What is followed: a part of what the client calls an operation. */
export interface Followed {
  readonly id: string;
  readonly operation: string;
  watch(options: { readonly signal: AbortSignal }): AsyncIterable<Update>;
  wait(options: { readonly signal: AbortSignal }): AsyncResult<unknown, unknown>;
}

/**
 * Shows what happens to an operation until it is over, and prints its output. With `--json` each change is a line, the
 * last one with the output. Leaving early changes nothing for the operation.
 */
export async function followOperation(context: CommandContext, one: Followed): Promise<void> {
  const { terminal, signal } = context;
  const label = `${one.operation} ${one.id}`;
  try {
    await terminal.during(label, async (say) => {
      for await (const update of one.watch({ signal })) {
        if (terminal.json) terminal.print(JSON.stringify(update));
        else if (terminal.isInteractive) say(`${label}  ${inWords(update)}`);
        else terminal.note(`${label}  ${inWords(update)}`);
      }
    });
  } catch (error) {
    if (!signal.aborted) throw error instanceof Error ? asFailure(error) : error;
    terminal.note(`${label} goes on: trellis watch ${label}`);
    return context.setExitCode(EXIT.interrupted);
  }
  const output = await answerOf(one.wait({ signal }));
  if (!terminal.json) terminal.print(JSON.stringify(output, null, 2));
}

function inWords({ type, name, snapshot: { state, attempt, progress, pause } }: Update): string {
  const parts = [
    attempt > 1 ? `${state} (run ${attempt})` : state,
    type === "step" || type === "signal" ? `${type} ${name ?? ""}` : "",
    pause === undefined ? "" : whyPaused(withTime(pause)),
    progress === undefined ? "" : (barOf(progress) ?? JSON.stringify(progress)),
  ];
  return parts.filter((part) => part !== "").join("  ");
}

/** Times are numbers on the way and texts for people. */
function withTime({ until, ...pause }: OperationPause) {
  return { ...pause, ...(until === undefined ? {} : { until: new Date(until).toISOString() }) };
}
