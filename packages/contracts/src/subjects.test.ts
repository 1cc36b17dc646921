import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  eventSubjectTemplate,
  eventWildcard,
  feedSubject,
  findSubjectCollisions,
  listSurfaces,
  operationControlSubject,
  operationSubject,
  readStoredSubject,
  REPLAY_TRANSFORM,
  replaySubject,
  rpcSubject,
  subjectCovers,
  subjectMatcher,
  subjectsOverlap,
  withReplays,
} from "./index.ts";
import type { Manifest } from "./index.ts";

const schemas = { Any: true };
const any = { schema: "Any" };

function withEvents(id: string, events: { readonly [name: string]: readonly string[] }): Manifest {
  return {
    format: "trellis.contract.v1",
    id,
    displayName: id,
    description: id,
    kind: "service",
    schemas,
    events: Object.fromEntries(
      Object.entries(events).map(([name, params]) => [
        name,
        { version: "v1", subject: eventSubjectTemplate(name, "v1", params), params, event: any },
      ]),
    ),
  };
}

describe("subjects", () => {
  test("every surface has one form", () => {
    expect(rpcSubject("Orders.Get", "v1")).toBe("rpc.v1.Orders.Get");
    expect(operationControlSubject(operationSubject("Orders.Refund", "v2"), "watch", "orders-eu")).toBe(
      "operations.v2.Orders.Refund.control.watch.orders-eu",
    );
    expect(feedSubject("Orders.Live", "v1")).toBe("feeds.v1.Orders.Live");
    expect(eventSubjectTemplate("Orders.Placed", "v1", ["/status", "/customer/id"])).toBe(
      "events.v1.Orders.Placed.{/status}.{/customer/id}",
    );
    expect(eventWildcard("events.v1.Orders.Placed.{/status}.{/customer/id}")).toBe("events.v1.Orders.Placed.*.*");
    expect(eventWildcard("events.v1.Orders.Placed")).toBe("events.v1.Orders.Placed");
  });

  test.each([
    ["a.b", "a.b", true],
    ["a.*", "a.b", true],
    ["a.*", "*.b", true],
    ["a.>", "a.b.c", true],
    ["a.>", "a", false],
    ["a.b", "a.b.c", false],
    ["a.*", "a.b.c", false],
    ["a.*.c", "a.>", true],
  ])("%s and %s overlap: %s", (a, b, expected) => {
    expect([subjectsOverlap(a, b), subjectsOverlap(b, a)]).toEqual([expected, expected]);
  });

  test("covering and overlapping agree with matching", () => {
    const token = fc.constantFrom("a", "b", "*");
    const pattern = fc
      .tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([tokens, tail]) => [...tokens, ...(tail ? [">"] : [])].join("."));
    const subjects = ["a", "b", "c"].flatMap((x) => [
      x,
      ...["a", "b", "c"].flatMap((y) => [
        `${x}.${y}`,
        ...["a", "b"].flatMap((z) => [`${x}.${y}.${z}`, `${x}.${y}.${z}.a`]),
      ]),
    ]);
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        const both = subjects.filter((subject) => subjectCovers(one, subject) && subjectCovers(other, subject));
        expect(subjectsOverlap(one, other)).toBe(both.length > 0);
        if (subjectCovers(one, other))
          for (const subject of subjects)
            if (subjectCovers(other, subject)) expect(subjectCovers(one, subject)).toBe(true);
        const matches = subjectMatcher(one);
        for (const subject of subjects) expect(matches(subject)).toBe(subjectCovers(one, subject));
      }),
    );
  });
});

describe("an event that is handled again", () => {
  /** What JetStream stores what was sent to this subject under. */
  const storedUnder = (subject: string): string => {
    expect(subjectCovers(REPLAY_TRANSFORM.src, subject)).toBe(true);
    const [, , first = "", ...rest] = subject.split(".");
    return REPLAY_TRANSFORM.dest.replace("$1", first).replace(">", rest.join("."));
  };

  test("is found by the filter of its event, and says whose it is", () => {
    for (const wildcard of ["events.v1.Orders.Placed", "events.v2.Orders.Placed.*.*"]) {
      const subject = wildcard.replaceAll("*", "x");
      const stored = storedUnder(replaySubject("billing", "all", subject));
      expect(readStoredSubject(stored)).toEqual({ subject, replayedTo: "billing_all" });
      expect(readStoredSubject(subject)).toEqual({ subject, replayedTo: undefined });
      for (const each of [subject, stored]) expect(subjectCovers(withReplays(wildcard), each)).toBe(true);
      expect(subjectCovers(withReplays("events.v1.Orders.Other"), stored)).toBe(false);
    }
  });

  test("is stored by a transform that leaves every event alone", () => {
    for (const subject of ["events.v1.Orders.Placed", "events.v1.replay.a.b"])
      expect(subjectCovers(REPLAY_TRANSFORM.src, subject)).toBe(false);
  });
});

describe("findSubjectCollisions", () => {
  test("finds templates that meet a literal, in one contract and between two", () => {
    const one = withEvents("a@v1", { Orders: ["/x"], "Orders.Placed": [] });
    expect(findSubjectCollisions([one])).toHaveLength(1);
    const [collision] = findSubjectCollisions([
      withEvents("a@v1", { Orders: ["/x"] }),
      withEvents("b@v1", { "Orders.Placed": [] }),
    ]);
    expect(collision?.surfaces.map(({ contract, subject }) => [contract, subject])).toEqual([
      ["a@v1", "events.v1.Orders.>"],
      ["b@v1", "events.v1.Orders.Placed"],
    ]);
    expect(collision?.message).toContain("Orders.Placed (b@v1) collides with events.v1.Orders.>");
  });

  test("two templates that meet, and the same name in two contracts", () => {
    expect(
      findSubjectCollisions([
        withEvents("a@v1", { "Orders.Placed": ["/x"] }),
        withEvents("b@v1", { "Orders.Placed": ["/y"] }),
      ]),
    ).toHaveLength(1);
    expect(
      findSubjectCollisions([
        withEvents("a@v1", { "Orders.Placed": ["/x"] }),
        withEvents("b@v1", { "Orders.Placed": [] }),
      ]),
    ).toHaveLength(0);
  });

  test("what lies below an event with parameters, because its subscribers may hear it", () => {
    const placed = withEvents("a@v1", { "Orders.Placed": ["/x"] });
    expect(findSubjectCollisions([placed, withEvents("b@v1", { "Orders.Placed.Secret": ["/y"] })])).toHaveLength(1);
    expect(findSubjectCollisions([placed, withEvents("b@v1", { "Orders.Placed.Secret.Deep": [] })])).toHaveLength(1);
    expect(findSubjectCollisions([placed, withEvents("b@v1", { "Orders.Placing.Secret": ["/y"] })])).toEqual([]);
  });

  test("a thousand contracts are compared quickly", () => {
    const many = Array.from({ length: 1_000 }, (_, index) =>
      withEvents(`c${index}@v1`, { [`S${index}.A`]: ["/x"], [`S${index}.B`]: [] }),
    );
    const started = performance.now();
    expect(findSubjectCollisions(many)).toEqual([]);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

test("listSurfaces names everything a contract owns", () => {
  const manifest: Manifest = {
    ...withEvents("a@v1", { "Orders.Placed": [] }),
    operations: {
      "Orders.Refund": {
        version: "v1",
        subject: "operations.v1.Orders.Refund",
        input: any,
        output: any,
        capabilities: { cancel: [] },
        signals: { hurry: { input: any } },
      },
    },
    jobs: { mail: { payload: any } },
    state: { view: { kind: "value", schema: any } },
    resources: { kv: { cache: { purpose: "x", schema: any } }, store: { files: { purpose: "x" } } },
    eventConsumers: { own: { self: ["Orders.Placed"], replay: "new", ordering: "strict", concurrency: 1 } },
  };
  expect(listSurfaces(manifest).map(({ kind, name, actions }) => [kind, name, ...actions].join(" "))).toEqual([
    "operation Orders.Refund call observe cancel control",
    "event Orders.Placed publish subscribe",
    "job mail",
    "eventConsumer own",
    "state view",
    "kv cache",
    "store files",
  ]);
});
