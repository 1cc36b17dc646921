import { describe, expect, test } from "vitest";
import { encodeAuthChange, encodeSessionNotice, parseAuthChange, parseSessionNotice } from "./index.ts";
import type { AuthChange } from "./index.ts";

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const beat: AuthChange = { kind: "beat", origin: "cp-1", previous: 4, revision: 9, epoch: "e1" };
const change: AuthChange = { ...beat, kind: "change", sessions: ["s"], principals: ["p"], deployments: ["orders"] };

test("changes and notices round trip", () => {
  expect(parseAuthChange(encodeAuthChange(beat))).toEqual(beat);
  expect(parseAuthChange(encodeAuthChange(change))).toEqual(change);
  for (const type of ["permissionsChanged", "revoked", "goingAway"] as const) {
    expect(parseSessionNotice(encodeSessionNotice({ type, revision: 3 }))).toEqual({ type, revision: 3 });
  }
});

describe("nothing else is read", () => {
  test.each([
    { kind: "other" },
    { origin: 1 },
    { previous: -1 },
    { revision: "9" },
    { epoch: undefined },
    { sessions: "s" },
    { principals: [1] },
  ])("a change with %j", (wrong) => {
    expect(parseAuthChange(bytes({ ...change, ...wrong }))).toBeUndefined();
  });
  test.each([null, [], {}, { type: "other", revision: 1 }, { type: "revoked" }, { type: "revoked", revision: 1.5 }])(
    "the notice %j",
    (wrong) => {
      expect(parseSessionNotice(bytes(wrong))).toBeUndefined();
    },
  );
  test("bytes that are not JSON", () => {
    expect(parseAuthChange(new Uint8Array([0xff]))).toBeUndefined();
    expect(parseSessionNotice(new Uint8Array())).toBeUndefined();
  });
});
