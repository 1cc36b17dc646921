import { eventSubjectTemplate, eventWildcard } from "@trellis/contracts";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  compileEventTemplate,
  escapeEventToken,
  eventSubject,
  eventTokens,
  LIMITS,
  unescapeEventToken,
} from "./index.ts";

/** What NATS lets a token be, and ASCII only. */
const NATS_TOKEN = /^[!-)+-\-/-=?-~]+$/;

describe("a token", () => {
  test.each([
    ["placed", "placed"],
    ["", "%"],
    ["%", "%25"],
    ["a.b", "a%2Eb"],
    ["*", "%2A"],
    [">", "%3E"],
    ["a b", "a%20b"],
    ["\t\r\n\0", "%09%0D%0A%00"],
    ["$SYS", "%24SYS"],
    ["a$b", "a$b"],
    ["\u007f", "%7F"],
    ["é", "%C3%A9"],
    ["🙂", "%F0%9F%99%82"],
    ["\ufeff", "%EF%BB%BF"],
    ["user@example.com", "user@example%2Ecom"],
    ["%2E", "%252E"],
  ])("of %j is %s", (text, token) => {
    expect(escapeEventToken(text)).toBe(token);
    expect(unescapeEventToken(token)).toBe(text);
  });

  test.each([
    "",
    "%2e",
    "%41",
    "%2",
    "%2E%",
    "%%",
    "a.b",
    "*",
    ">",
    "a b",
    "é",
    "$SYS",
    "%ZZ",
    "%C3",
    "%ED%A0%80",
    "a%24b",
    "%FF",
  ])("%j is not one", (token) => {
    expect(unescapeEventToken(token)).toBeUndefined();
  });

  test("half of a surrogate pair has none", () => {
    expect(escapeEventToken("\ud800")).toBeUndefined();
  });

  test("any text: legal, reversible, and distinct texts have distinct tokens", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (one, other) => {
        const token = escapeEventToken(one);
        expect(token).toMatch(NATS_TOKEN);
        expect(token?.startsWith("$")).toBe(false);
        expect(unescapeEventToken(token ?? "")).toBe(one);
        if (one !== other) expect(escapeEventToken(other)).not.toBe(token);
      }),
      { numRuns: 2_000 },
    );
  });

  test("any token that reads at all reads back to itself", () => {
    const pieces = fc.constantFrom("%", "2", "E", "e", "4", "1", "C3", "A9", "$", "a", "é", " ", ".");
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const token = parts.join("");
        const text = unescapeEventToken(token);
        if (text !== undefined) expect(escapeEventToken(text)).toBe(token);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("a template", () => {
  const template = eventSubjectTemplate("Orders.Placed", "v1", ["/status", "/customer/a~1b.c"]);

  test("makes subjects and reads them", () => {
    const payload = { status: "paid.now", customer: { "a/b.c": 7 } };
    expect(eventSubject(template, payload)).toEqual({ ok: true, value: "events.v1.Orders.Placed.paid%2Enow.7" });
    expect(eventTokens(template, "events.v1.Orders.Placed.paid%2Enow.7")).toEqual(["paid.now", "7"]);
    expect(compileEventTemplate(template).pointers).toEqual(["/status", "/customer/a~1b.c"]);
  });

  test("without parameters is its own subject", () => {
    expect(eventSubject("events.v1.A.B", undefined)).toEqual({ ok: true, value: "events.v1.A.B" });
    expect(eventTokens("events.v1.A.B", "events.v1.A.B")).toEqual([]);
  });

  test.each([
    [true, "true"],
    [0, "0"],
    [-0, "0"],
    [1.5, "1%2E5"],
    [1e21, "1e+21"],
  ])("writes %s as %s", (value, token) => {
    expect(eventSubject("events.v1.A.{/x}", { x: value })).toEqual({ ok: true, value: `events.v1.A.${token}` });
  });

  test.each([
    [{}],
    [{ x: null }],
    [{ x: {} }],
    [{ x: [] }],
    [{ x: Number.NaN }],
    [{ x: "\ud800" }],
    [null],
    ["text"],
    [Object.create({ x: "inherited" })],
  ])("refuses a payload without a value there (%#)", (payload) => {
    expect(eventSubject("events.v1.A.{/x}", payload)).toMatchObject({
      ok: false,
      error: { type: "ValidationError", issues: [{ path: "/x" }] },
    });
  });

  test("refuses a subject that would be too long, and takes the longest one", () => {
    const fixed = "events.v1.A.".length;
    expect(eventSubject("events.v1.A.{/x}", { x: "y".repeat(LIMITS.subjectBytes - fixed) }).ok).toBe(true);
    expect(eventSubject("events.v1.A.{/x}", { x: "y".repeat(LIMITS.subjectBytes - fixed + 1) }).ok).toBe(false);
  });

  test.each([
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a.*",
    "a.>",
    "a b",
    "a.{x}",
    "a.{}",
    "a.{/x",
    "a./x}",
    "a.{/x}b",
    "a.b{/x}",
    "a.{/x~2}",
    "é",
    "$a",
  ])("%j is none", (wrong) => {
    expect(() => compileEventTemplate(wrong)).toThrow(TypeError);
  });

  test.each([
    "events.v1.Orders.Placed",
    "events.v1.Orders.Placed.a",
    "events.v1.Orders.Placed.a.b.c",
    "events.v1.Orders.Gone.a.b",
    "events.v1.Orders.Placed.a.%41",
  ])("does not read %s", (subject) => {
    expect(eventTokens(template, subject)).toBeUndefined();
  });

  test("any payload: the subject matches the wildcard and reads back", () => {
    const wildcard = eventWildcard(template).split(".");
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 40 }),
        fc.string({ unit: "binary", maxLength: 40 }),
        (status, key) => {
          const subject = eventSubject(template, { status, customer: { "a/b.c": key } });
          if (!subject.ok) throw subject.error;
          const tokens = subject.value.split(".");
          expect(tokens.length).toBe(wildcard.length);
          for (const [index, token] of wildcard.entries()) if (token !== "*") expect(tokens[index]).toBe(token);
          expect(eventTokens(template, subject.value)).toEqual([status, key]);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
