import { AuthError, HEADERS, LIMITS, parseRequestHeaders } from "@trellis/protocol";
import type { Json } from "@trellis/contracts";
import { readInput } from "../input.ts";
import { SEED, testKey } from "../test-key.ts";
import type { Topic } from "../topic.ts";

const nonce = "abcdefghijklmnopqrstu-";
const key = testKey(SEED);
const good: readonly (readonly [string, string])[] = [
  [HEADERS.sessionKey, key.sessionKey],
  [HEADERS.proof, key.sign(new Uint8Array(32))],
  [HEADERS.iat, "1735689700"],
  [HEADERS.requestId, `${nonce}.42`],
  [HEADERS.deadline, "2500"],
];
const without = (name: string) => good.filter(([header]) => header !== name);
const replaced = (name: string, value: string) => [...without(name), [name, value] as const];

const cases: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ["complete", good],
  ["other headers are ignored", [...good, ["traceparent", "00-x"], ["X-Other", "1"]]],
  ["no deadline is the default", without("deadline")],
  ["a long deadline is cut", replaced("deadline", "99999999")],
  ["counter zero", replaced("request-id", `${nonce}.0`)],
  ["the largest counter", replaced("request-id", `${nonce}.9007199254740991`)],
  ["no headers", []],
  ...good.map(([name]) => [`twice: ${name}`, [...good, good.find(([header]) => header === name) ?? ["", ""]]] as const),
  ...good.filter(([name]) => name !== "deadline").map(([name]) => [`missing: ${name}`, without(name)] as const),
  ["a padded key", replaced("session-key", `${key.sessionKey}=`)],
  ["a short proof", replaced("proof", "AAAA")],
  ["another proof algorithm", [...good, ["proof-alg", "channel"]]],
  ["a time with a leading zero", replaced("iat", "01735689700")],
  ["a time with a sign", replaced("iat", "+1735689700")],
  ["a fractional time", replaced("iat", "1735689700.5")],
  ["a request id without counter", replaced("request-id", nonce)],
  ["a counter with a leading zero", replaced("request-id", `${nonce}.042`)],
  ["a counter beyond exact numbers", replaced("request-id", `${nonce}.9007199254740992`)],
  ["a short nonce", replaced("request-id", `${nonce.slice(1)}.42`)],
  ["deadline zero", replaced("deadline", "0")],
  ["a negative deadline", replaced("deadline", "-5")],
];

export const requestHeadersTopic: Topic = {
  topic: "request-headers",
  about: [
    "input.headers is the list of [name, value] of a message, in order; names are compared exactly.",
    `output.parsed is what they say (deadlineMs: ${LIMITS.defaultDeadlineMs} when absent, at most ${LIMITS.maxDeadlineMs}).`,
    "output.refused is the type of the error, and reason that of an AuthError. Checks are made in the order session-key, proof, iat, request-id, deadline.",
  ],
  given: cases.map(([name, headers]) => ({ name, input: { headers } })),
  run(input) {
    const entries = readInput(input).list("headers");
    const parsed = parseRequestHeaders({ values: (name) => valuesOf(entries, name) });
    if (parsed.ok) return { parsed: { ...parsed.value, id: { ...parsed.value.id } } };
    const { error } = parsed;
    return error instanceof AuthError ? { refused: error.type, reason: error.reason } : { refused: error.type };
  },
};

function valuesOf(entries: readonly Json[], name: string): readonly string[] {
  return entries.flatMap((entry) => {
    if (!Array.isArray(entry)) throw new Error("a header is a pair");
    const [header, value]: readonly Json[] = entry;
    return header === name && typeof value === "string" ? [value] : [];
  });
}
