import { canonicalJson, CanonicalError } from "@trellis/contracts";
import { readInput } from "../input.ts";
import type { Topic } from "../topic.ts";

const texts: readonly (readonly [string, string])[] = [
  ["an empty object", "{}"],
  ["an empty list", "[]"],
  ["white space is dropped", ' { "a" : [ 1 , 2 ] } '],
  ["keys are sorted, lists are not", '{"b":[3,1,2],"a":{"d":1,"c":2}}'],
  ["keys sort by UTF-16 code units", '{"\\ufb33":1,"\\ud83d\\ude00":2,"\\u00f6":3,"1":4,"\\r":5,"":6}'],
  ["whole numbers", "[0,1,-1,9007199254740991]"],
  ["numbers as ECMAScript writes them", "[1.0,1e2,1e21,1e-7,0.000001,333333333.33333329,4.50,2e-3,1E30]"],
  ["escapes", '"\\u0000\\u001f\\b\\t\\n\\f\\r\\"\\\\\\/\\u007f\\u2028"'],
  ["text beyond ASCII stands for itself", '"\\u00e9 \\u20ac \\ud83d\\ude00"'],
  ["no normalization of text", '["\\u00e9","e\\u0301"]'],
  ["literals", "[true,false,null]"],
  ["a bare value", '"text"'],
  ["negative zero is refused", "[-0]"],
  ["negative zero written with an exponent is refused", "-0e5"],
  ["a number beyond the range is refused", "1e400"],
  ["half of a surrogate pair is refused", '"\\ud800"'],
  ["half of a surrogate pair in a key is refused", '{"\\udc00":1}'],
];

export const canonicalJsonTopic: Topic = {
  topic: "canonical-json",
  about: [
    "input.json is a JSON text. Parse it and write the value as canonical JSON (RFC 8785).",
    "output.canonical is the text to compare, byte for byte as UTF-8; output.refused is true where the value must be refused.",
  ],
  given: texts.map(([name, json]) => ({ name, input: { json } })),
  run(input) {
    try {
      return { canonical: canonicalJson(JSON.parse(readInput(input).text("json"))) };
    } catch (error) {
      if (error instanceof CanonicalError) return { refused: true };
      throw error;
    }
  },
};
