import type { Delivery } from "@trellis/client/internal";
import { readStoredSubject } from "@trellis/contracts";
import { expect, test } from "vitest";
import { HeldEvent } from "./held-event.ts";
import { LastAttempts } from "./last-attempts.ts";

const MAX = 3;

function held(sequence: number, deliveries: number): HeldEvent {
  const subject = `events.v1.Shop.Ordered.k${sequence}`;
  const message = { subject, data: new Uint8Array(), reply: "", headers: undefined };
  const delivery: Delivery = { message, reply: `ack ${sequence}`, deliveries, sequence };
  return new HeldEvent(delivery, readStoredSubject(subject), { stream: "EVENTS", lane: subject }, 0);
}

function watched(strict = false) {
  const did: string[] = [];
  const last = new LastAttempts({
    maxDeliver: MAX,
    strict,
    attempt: ({ delivery }) => did.push(`attempt ${delivery.sequence}`),
    giveUp: ({ delivery }) => did.push(`give up ${delivery.sequence}`),
  });
  const end = (event: HeldEvent): void => {
    last.remove(event);
    last.next();
  };
  return { did, last, end };
}

test("only those that were delivered as often as allowed are concerned", () => {
  const { last } = watched();
  expect([1, 2, 3, 4].map((deliveries) => last.concerns(held(1, deliveries)))).toEqual([false, false, true, true]);
});

test("they are handled one at a time, oldest first, whatever order they came in", () => {
  const { did, last, end } = watched();
  const events = [held(7, MAX), held(3, MAX), held(5, MAX)];
  for (const event of events) last.add(event);
  last.next();
  last.next();
  expect(did).toEqual(["attempt 3"]);
  for (const sequence of [1, 2, 0]) end(events[sequence] ?? held(0, 0));
  expect(did).toEqual(["attempt 3", "attempt 5", "attempt 7"]);
});

test("of those delivered more often the oldest is given up, and the others are handled; after the next death again", () => {
  const { did, last, end } = watched();
  const events = [held(1, MAX + 1), held(2, MAX + 1), held(3, MAX + 2)];
  for (const event of events) last.add(event);
  last.next();
  for (const event of events) end(event);
  expect(did).toEqual(["give up 1", "attempt 2", "attempt 3"]);
  last.beginAgain();
  last.add(held(9, MAX + 1));
  last.next();
  expect(did.at(-1)).toBe("give up 9");
});

test("where only one is out at a time each of them is to blame", () => {
  const { did, last, end } = watched(true);
  for (const sequence of [1, 2]) {
    const event = held(sequence, MAX + 1);
    last.add(event);
    last.next();
    end(event);
  }
  expect(did).toEqual(["give up 1", "give up 2"]);
});

test("one that was lost while it waited is not handled", () => {
  const { did, last, end } = watched();
  const [first, lost, third] = [held(1, MAX), held(2, MAX), held(3, MAX)];
  for (const event of [first, lost, third]) last.add(event);
  last.next();
  end(lost);
  expect(did).toEqual(["attempt 1"]);
  end(first);
  expect(did).toEqual(["attempt 1", "attempt 3"]);
});
