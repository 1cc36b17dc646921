import { isDeepStrictEqual } from "node:util";
import { endsLife, type JobRecord } from "@trellis/jobs";
import type { Effect } from "./effects.ts";
import type { Answer } from "./load.ts";

/** What is wrong with jobs, as the stream and what handlers did say; nothing when all is well. */
export function judgeJobs(
  accepted: ReadonlyMap<string, Answer | undefined>,
  records: readonly JobRecord[],
  effects: ReadonlyMap<string, readonly Effect[]>,
): readonly string[] {
  const recordsOf = Map.groupBy(records, ({ body }) => body.id);
  const wrong: string[] = [];
  for (const [id, answer] of accepted) {
    const story = recordsOf.get(id) ?? [];
    const say = (what: string): void => void wrong.push(`job ${id} ${what}: ${tell(story)}`);
    if (story.filter(({ event }) => event === "created").length !== 1) say("was accepted and is not there once");
    if (answer === undefined) say("has a wait that was never answered");
    else if (!story.some((record) => endsLife(record.event) && isAnswer(record, answer))) say("was answered otherwise");
  }
  // Also those whose creation was never confirmed: what is stored is done.
  for (const [id, story] of recordsOf) {
    const say = (what: string): void => void wrong.push(`job ${id} ${what}: ${tell(story)}`);
    const ends = story.filter(({ event }) => endsLife(event));
    if (ends.length === 0) say("has no end");
    if (ends.length > 1) say("has more than one end");
    const last = story.at(-1);
    if (last !== undefined && ends.length > 0 && !endsLife(last.event)) say("went on after its end");
    const claims = story.filter(({ event }) => event === "started");
    for (const { event, body } of ends) {
      if (event === "completed" && !ranToItsEnd(body.result, effects.get(id)))
        say("completed with a run that did not end");
      if (claims.at(-1)?.body.claim !== body.claim) say("was ended by somebody who did not hold it");
    }
  }
  return wrong;
}

/** Whether the run a result names has really come to its end. */
export function ranToItsEnd(result: unknown, effects: readonly Effect[] = []): boolean {
  const run: unknown = typeof result === "object" && result !== null && "run" in result ? result.run : undefined;
  return effects.some((effect) => effect.what === "ended" && isDeepStrictEqual(effect.run, run));
}

function isAnswer({ event, body }: JobRecord, answer: Answer): boolean {
  return event === answer.state && (event !== "completed" || isDeepStrictEqual(body.result, answer.result));
}

function tell(story: readonly JobRecord[]): string {
  return story
    .map(({ event, sequence, body }) => `${sequence} ${event}${body.attempt === undefined ? "" : ` #${body.attempt}`}`)
    .join(", ");
}
