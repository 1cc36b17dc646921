import type { Json } from "@trellis/contracts";

/** One input with the name of what it shows. */
export interface Given {
  readonly name: string;
  readonly input: Json;
}

/** One rule of the protocol: what goes in, what must come out. Its vectors are `vectors/<topic>.json`. */
export interface Topic {
  readonly topic: string;
  /** For whoever implements it in another language: what the inputs are and what to compare. */
  readonly about: readonly string[];
  readonly given: readonly Given[];
  /** The reference: the output of an input, as JSON. */
  run(input: Json): Json;
}

export interface VectorCase extends Given {
  readonly output: Json;
}

/** The content of one vector file. */
export interface VectorFile {
  readonly topic: string;
  readonly about: readonly string[];
  readonly cases: readonly VectorCase[];
}

/** Inputs with the outputs of the reference. */
export function vectorsOf(topic: Topic): VectorFile {
  const names = new Set(topic.given.map((given) => given.name));
  if (names.size !== topic.given.length) throw new Error(`two cases of ${topic.topic} share a name`);
  return {
    topic: topic.topic,
    about: topic.about,
    cases: topic.given.map(({ name, input }) => ({ name, input, output: asJson(topic.run(input)) })),
  };
}

/** Drops what JSON drops (absent members), so that the vector is what its file says. */
export function asJson(value: Json): Json {
  const text: Json = JSON.parse(JSON.stringify(value));
  return text;
}

/** The exact text of a vector file. */
export function vectorText(topic: Topic): string {
  return `${JSON.stringify(vectorsOf(topic), null, 2)}\n`;
}
