import { eventWildcard } from "@trellis/contracts";
import type { Json } from "@trellis/contracts";
import { escapeEventToken, eventSubject, eventTokens, unescapeEventToken } from "@trellis/protocol";
import { readInput } from "../input.ts";
import type { Input } from "../input.ts";
import type { Given, Topic } from "../topic.ts";

const values = [
  "placed",
  "",
  "%",
  "%%",
  "%25",
  "a.b",
  "..",
  "*",
  ">",
  "a b",
  "\t",
  "\r\n",
  "\u0000",
  "\u007f",
  "$",
  "$SYS",
  "a$b",
  "$$",
  "user@example.com",
  "2026-11-20T10:00:00Z",
  "a/b\\c",
  "{x}",
  "é",
  "e\u0301",
  "日本",
  "🙂",
  "\ufeff",
  "\u00a0",
  "~!#&()+,;=[]^`|'\"<?:-_",
];
const tokens = [
  "",
  "%",
  "%2E",
  "%2e",
  "%41",
  "%2",
  "%%",
  "a.b",
  "*",
  ">",
  "a b",
  "é",
  "$SYS",
  "a%24b",
  "%24",
  "%C3%A9",
  "%C3",
  "%FF",
  "%ED%A0%80",
  "%C0%80",
  "%ZZ",
];

const template = "events.v1.Orders.Placed.{/status}.{/customer/a~1b}";
const payloads: readonly (readonly [string, string, Json])[] = [
  ["two parameters", template, { status: "paid", customer: { "a/b": "c1" } }],
  ["escaped values", template, { status: "", customer: { "a/b": "$x.é" } }],
  ["no parameters", "events.v1.Orders.Cleared", { any: 1 }],
  ["a number", "events.v1.A.{/x}", { x: 1.5 }],
  ["a large number", "events.v1.A.{/x}", { x: 1e21 }],
  ["a boolean", "events.v1.A.{/x}", { x: false }],
  ["an element of a list", "events.v1.A.{/x/0}", { x: ["first"] }],
  ["a key with a tilde and a dot", "events.v1.A.{/a~0b.c}", { "a~b.c": "v" }],
  ["missing", "events.v1.A.{/x}", {}],
  ["null", "events.v1.A.{/x}", { x: null }],
  ["an object", "events.v1.A.{/x}", { x: {} }],
  ["the longest subject", "events.v1.A.{/x}", { x: "y".repeat(1_012) }],
  ["longer than the longest", "events.v1.A.{/x}", { x: "y".repeat(1_013) }],
];
const subjects: readonly (readonly [string, string])[] = [
  [template, "events.v1.Orders.Placed.paid.c1"],
  [template, "events.v1.Orders.Placed.%.%24x%2E%C3%A9"],
  [template, "events.v1.Orders.Placed.paid"],
  [template, "events.v1.Orders.Placed.paid.c1.more"],
  [template, "events.v1.Orders.Gone.paid.c1"],
  [template, "events.v1.Orders.Placed.pai%64.c1"],
  ["events.v1.Orders.Cleared", "events.v1.Orders.Cleared"],
];

const given: readonly Given[] = [
  ...values.map((value) => ({ name: `value ${JSON.stringify(value)}`, input: { value } })),
  ...tokens.map((token) => ({ name: `token ${JSON.stringify(token)}`, input: { token } })),
  ...payloads.map(([name, text, payload]) => ({ name: `payload: ${name}`, input: { template: text, payload } })),
  ...subjects.map(([text, subject]) => ({ name: `subject ${subject} of ${text}`, input: { template: text, subject } })),
];

export const eventSubjectsTopic: Topic = {
  topic: "event-subjects",
  about: [
    "Escaping: printable ASCII (0x21..0x7e) stands for itself except . * > and %; every other byte of the UTF-8 text, and a $ in front, is %XX in capitals; the empty text is a lone %.",
    "input.value: output.token is its token, null where there is none. input.token: output.value is its text, null unless escaping that text gives exactly the token.",
    'input.template and payload: output.subject, or output.refused, the pointer of the parameter that has no text, number or boolean ("" when the subject is too long); output.wildcard matches every subject of the template.',
    "input.template and subject: output.values are the texts of the parameters in order, null where the subject is not of the template.",
  ],
  given,
  run(input) {
    const read = readInput(input);
    const value = read.optionalText("value");
    if (value !== undefined) return { token: escapeEventToken(value) ?? null };
    const token = read.optionalText("token");
    if (token !== undefined) return { value: unescapeEventToken(token) ?? null };
    const subject = read.optionalText("subject");
    if (subject !== undefined) return { values: eventTokens(read.text("template"), subject) ?? null };
    return filled(read);
  },
};

function filled(read: Input): Json {
  const wildcard = eventWildcard(read.text("template"));
  const subject = eventSubject(read.text("template"), read.json("payload"));
  return subject.ok ? { subject: subject.value, wildcard } : { refused: subject.error.issues[0]?.path ?? "", wildcard };
}
