import { MsgHdrsImpl } from "@nats-io/nats-core";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { readHeaders, valuesOf } from "./read-headers.ts";

const encoder = new TextEncoder();
const read = (text: string) => readHeaders(encoder.encode(text));

/** What two readers of the same bytes have to agree on. */
function seen(headers: { code: number; description: string } & Iterable<[string, string[]]>): object {
  return { code: headers.code, description: headers.description, headers: [...headers] };
}

test.each([
  "NATS/1.0\r\n\r\n",
  "NATS/1.0\r\nNats-Msg-Id: 1\r\ntrellis-time: 2026-11-26T15:20:00.123Z\r\n\r\n",
  "NATS/1.0\r\na: 1\r\nA: 2\r\na:3\r\na:\r\n\r\n",
  "NATS/1.0\r\nno colon\r\na: b: c\r\n:\r\n\r\n",
  "NATS/1.0 404 No Messages\r\n\r\n",
  "NATS/1.0 204 EOB\r\nNats-Num-Pending: 7\r\nNats-Last-Sequence: 9\r\n\r\n",
  "NATS/1.0 503\r\n\r\n",
  "NATS/1.0    409   Message Size Exceeds MaxBytes  \r\n\r\n",
  "NATS/1.0 what\r\n\r\n",
  "NATS/1.0",
  "NATS/1.0\r\na: 1",
  "NATS/1.0\r\nx: é😀\r\n\r\n",
])("reads what nats.js reads: %j", (text) => {
  expect(seen(read(text) ?? new MsgHdrsImpl(1, "nothing"))).toEqual(seen(MsgHdrsImpl.decode(encoder.encode(text))));
});

test("reads what nats.js reads, whatever the headers are", () => {
  const name = fc.stringMatching(/^[\x21-\x39\x3b-\x7e]{1,12}$/);
  const value = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !/[\r\n]/.test(text));
  const status = fc.constantFrom("", " 100", " 404 No Messages", " 408 Request Timeout", " 0", " 12x", " -1 x");
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), status, (lines, line) => {
      const text = `NATS/1.0${line}\r\n${lines.map(([key, each]) => `${key}: ${each}\r\n`).join("")}\r\n`;
      expect(seen(read(text) ?? new MsgHdrsImpl(1, "nothing"))).toEqual(seen(MsgHdrsImpl.decode(encoder.encode(text))));
    }),
    { numRuns: 500 },
  );
});

test("one header has the values it has among all", () => {
  const name = fc.constantFrom("a", "A", "aa", "a b", "Nats-Pin-Id", "b:a");
  const value = fc.constantFrom("", " 1", "a: 2", "half\rend", "half\nend", "  3  ", "\r");
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), name, (lines, wanted) => {
      const text = `NATS/1.0\r\n${lines.map(([key, each]) => `${key}:${each}\r\n`).join("")}\r\n`;
      const all = read(text)?.headers.get(wanted) ?? [];
      // No header has such a name, so nobody asks for it.
      if (!/[ :]/.test(wanted)) expect(valuesOf(text, wanted)).toEqual(all);
    }),
    { numRuns: 1_000 },
  );
});

test("a malformed header, at which nats.js throws, is left out and the others stay", () => {
  const text = "NATS/1.0\r\nbad name: 1\r\nna\u00efve: 2\r\nhalf: a\nb\r\ngood: 3\r\n\r\n";
  expect(() => MsgHdrsImpl.decode(encoder.encode(text))).toThrow();
  expect([...(read(text) ?? [])]).toEqual([["good", ["3"]]]);
});

test("bytes that are no headers are none", () => {
  expect(read("")).toBeUndefined();
  expect(read("HTTP/1.1 200 OK\r\n\r\n")).toBeUndefined();
});
