import type { ConsumerBinding } from "@trellis/contracts";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { type core, NotFound, Refused } from "@trellis/sdk";
import type { ControlContext } from "../authority/context.ts";
import type { DeadLetter, DeadLetters } from "../events/dead-letters.ts";
import type { EventGroups, GroupState } from "../events/event-groups.ts";
import type { Log } from "../log.ts";
import type { HandlerCaller, HandlersOf } from "./handler.ts";
import { fitting, page } from "./page.ts";

type Names =
  | "Trellis.Events.Groups.List"
  | "Trellis.Events.Groups.Pause"
  | "Trellis.Events.Groups.Resume"
  | "Trellis.Events.DeadLetters.List"
  | "Trellis.Events.DeadLetters.Get"
  | "Trellis.Events.DeadLetters.Replay"
  | "Trellis.Events.DeadLetters.Drop";

interface Selection {
  readonly ids?: readonly string[];
  readonly deployment?: string;
  readonly group?: string;
  readonly through?: number;
}

/** What one call works on, and whether there is more of it up to there. */
interface Selected {
  readonly letters: readonly DeadLetter[];
  readonly rest: { readonly more: boolean; readonly through?: number };
}

const DEFAULT_LIMIT = 100;
/** As many as JetStream is asked about for one answer. */
const GROUPS_AT_ONCE = 500;
/** How many of a group one call works on: well within its deadline. */
const AT_ONCE = 200;
/** "Until resumed", in a form JetStream understands. */
const FOR_EVER_MS = 100 * 365 * 86_400_000;

/** Consumer groups and their dead letters, as people look after them. */
export function eventHandlers(
  context: ControlContext,
  groups: EventGroups,
  letters: DeadLetters,
  log: Log,
): HandlersOf<typeof core, Names> {
  const bindingOf = (deployment: string, group: string): ConsumerBinding | undefined => {
    const consumers = context.tables.authorities.get(deployment)?.value.materialized?.bindings.eventConsumers;
    return consumers !== undefined && Object.hasOwn(consumers, group) ? consumers[group] : undefined;
  };
  const noGroup = (deployment: string, group: string) =>
    new NotFound({ kind: "consumer group", name: `${group} of ${deployment}` });

  const pause = async (
    { deployment, group }: { deployment: string; group: string },
    until: Date | undefined,
    caller: HandlerCaller,
  ) => {
    const binding = bindingOf(deployment, group);
    if (binding === undefined || !(await groups.pause(binding, until))) return err(noGroup(deployment, group));
    log.info(until === undefined ? "a consumer group goes on" : "a consumer group is paused", {
      deployment,
      group,
      by: caller.name,
    });
    const state = await groups.state(binding);
    if (state === undefined) return err(noGroup(deployment, group));
    return ok(groupView(deployment, group, state, (await letters.counts()).get(`${deployment}.${group}`) ?? 0));
  };

  /** Those named, or those of a group from the oldest on: only what was there at first, as some may fail again at once. */
  const select = async ({
    ids,
    deployment,
    group,
    through,
  }: Selection): Promise<Result<Selected, InstanceType<typeof NotFound> | InstanceType<typeof Refused>>> => {
    if (ids === undefined) {
      if (deployment === undefined || group === undefined) {
        return err(
          new Refused({
            code: "selection_missing",
            why: "Neither ids nor a group were given.",
            next: "Name dead letters by their ids, or a deployment and a group for all of it.",
          }),
        );
      }
      const last = through ?? (await letters.last());
      const listed = await letters.list({ deployment, group }, 0, AT_ONCE + 1);
      const there = listed.filter(({ sequence }) => sequence <= last);
      const rest = there.length > AT_ONCE ? { more: true, through: last } : { more: false };
      return ok({ letters: there.slice(0, AT_ONCE), rest });
    }
    const found: DeadLetter[] = [];
    for (const id of ids) {
      const letter = await letters.get(id);
      if (letter === undefined) return err(new NotFound({ kind: "dead letter", name: id }));
      found.push(letter);
    }
    return ok({ letters: found, rest: { more: false } });
  };

  return {
    "Trellis.Events.Groups.List": async ({ input }) => {
      const { items, ...more } = page(boundGroups(context, input.deployment), groupKey, {
        limit: GROUPS_AT_ONCE,
        ...input,
      });
      const counts = await letters.counts();
      const found = await Promise.all(
        items.map(async ({ deployment, group, binding }) => {
          const state = await groups.state(binding);
          return state && groupView(deployment, group, state, counts.get(`${deployment}.${group}`) ?? 0);
        }),
      );
      return ok({ groups: found.filter((each) => each !== undefined), ...more });
    },
    "Trellis.Events.Groups.Pause": ({ input, caller }) =>
      pause(input, new Date(Date.now() + (input.forMs ?? FOR_EVER_MS)), caller),
    "Trellis.Events.Groups.Resume": ({ input, caller }) => pause(input, undefined, caller),

    "Trellis.Events.DeadLetters.List": async ({ input }) => {
      const { deployment, group, cursor, limit = DEFAULT_LIMIT } = input;
      const filter = { ...(deployment === undefined ? {} : { deployment }), ...(group === undefined ? {} : { group }) };
      const after = Math.trunc(Number(cursor ?? 0));
      const found = await letters.list(filter, Number.isSafeInteger(after) && after > 0 ? after : 0, limit + 1);
      const shown = fitting(found.slice(0, limit), letterView);
      const last = found[shown.length - 1];
      return ok({
        deadLetters: shown,
        ...(found.length > shown.length && last !== undefined ? { nextCursor: String(last.sequence) } : {}),
      });
    },
    "Trellis.Events.DeadLetters.Get": async ({ input }) => {
      const letter = await letters.get(input.id);
      if (letter === undefined) return err(new NotFound({ kind: "dead letter", name: input.id }));
      return ok({ ...letterView(letter), ...payloadView(await letters.payload(letter), letters.largestShown) });
    },
    "Trellis.Events.DeadLetters.Replay": async ({ input, caller }) => {
      const selected = await select(input);
      if (!selected.ok) return selected;
      let count = 0;
      for (const letter of selected.value.letters) {
        if (bindingOf(letter.deployment, letter.group) === undefined) {
          return err(
            new Refused({
              code: "no_group",
              why: `${letter.deployment} has no consumer group ${letter.group} any more, so nobody would get ${letter.id}.`,
              next: "Drop it, or bring the group back first.",
            }),
          );
        }
        const problem = await letters.replay(letter);
        if (problem !== undefined)
          return err(
            new Refused({
              code: "cannot_replay",
              why: `After ${count} replayed: ${problem}.`,
              next: "Drop it: trellis events drop.",
            }),
          );
        count += 1;
      }
      log.info("dead letters were replayed", { count, by: caller.name });
      return ok({ count, ...selected.value.rest });
    },
    "Trellis.Events.DeadLetters.Drop": async ({ input, caller }) => {
      const selected = await select(input);
      if (!selected.ok) return selected;
      for (const letter of selected.value.letters) await letters.drop(letter);
      const count = selected.value.letters.length;
      log.info("dead letters were dropped", { count, by: caller.name });
      return ok({ count, ...selected.value.rest });
    },
  };
}

interface BoundGroup {
  readonly deployment: string;
  readonly group: string;
  readonly binding: ConsumerBinding;
}

/** Every group that has a consumer, of one deployment or of all. */
function boundGroups({ tables }: ControlContext, deployment: string | undefined): readonly BoundGroup[] {
  const one = deployment === undefined ? undefined : tables.authorities.get(deployment);
  const authorities = deployment === undefined ? tables.authorities.all() : one === undefined ? [] : [one];
  return [...authorities].flatMap(({ value }) =>
    Object.entries(value.materialized?.bindings.eventConsumers ?? {}).map(([group, binding]) => ({
      deployment: value.deployment,
      group,
      binding,
    })),
  );
}

function groupKey({ deployment, group }: BoundGroup): string {
  return `${deployment} ${group}`;
}

function groupView(deployment: string, group: string, state: GroupState, deadLetters: number) {
  const { pending, inFlight, redelivered, lastDelivered, pausedUntil } = state;
  return {
    deployment,
    group,
    pending,
    inFlight,
    redelivered,
    deadLetters,
    ...(lastDelivered === undefined ? {} : { lastDelivered }),
    ...(pausedUntil === undefined ? {} : { pausedUntil }),
  };
}

function letterView(letter: DeadLetter) {
  const { id, deployment, group, eventId, subject, at, diedAt, attempts, code, reason, bytes } = letter;
  return { id, deployment, group, eventId, subject, at, diedAt, attempts, code, reason, bytes };
}

function payloadView(
  bytes: Uint8Array | undefined,
  largest: number,
): { payload: string; bytes?: number; problem?: string } {
  if (bytes === undefined)
    return { payload: "", problem: "The payload was too large to keep here and has left the event stream." };
  const payload = new TextDecoder().decode(bytes);
  if (Buffer.byteLength(JSON.stringify(payload)) <= largest) return { payload, bytes: bytes.length };
  return {
    payload: "",
    bytes: bytes.length,
    problem: `The payload has ${bytes.length} bytes, more than fits into this answer. It is kept, and delivered whole when it is replayed.`,
  };
}
