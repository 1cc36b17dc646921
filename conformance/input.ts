import type { Json } from "@trellis/contracts";

/** Typed reading of an input: a case that lacks what its topic needs is a mistake of the topic. */
export interface Input {
  text(name: string): string;
  optionalText(name: string): string | undefined;
  number(name: string): number;
  json(name: string): Json;
  optionalJson(name: string): Json | undefined;
  list(name: string): readonly Json[];
}

export function readInput(input: Json): Input {
  const member = (name: string): Json | undefined => {
    if (typeof input !== "object" || input === null || Array.isArray(input)) throw new Error("an input is an object");
    const value: Json | undefined = Reflect.get(input, name);
    return value;
  };
  const required = (name: string): Json => {
    const value = member(name);
    if (value === undefined) throw new Error(`the input has no ${name}`);
    return value;
  };
  const typed = <T>(name: string, value: Json | undefined, check: (value: Json) => value is T & Json): T => {
    if (value === undefined || !check(value)) throw new Error(`${name} of the input is not of its type`);
    return value;
  };
  return {
    text: (name) => typed(name, required(name), isText),
    optionalText: (name) => {
      const value = member(name);
      return value === undefined || value === null ? undefined : typed(name, value, isText);
    },
    number: (name) => typed(name, required(name), isNumber),
    json: required,
    optionalJson: member,
    list: (name) => typed(name, required(name), isList),
  };
}

const isText = (value: Json): value is string => typeof value === "string";
const isNumber = (value: Json): value is number => typeof value === "number";
const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

const encoder = new TextEncoder();
export const utf8 = (text: string): Uint8Array => encoder.encode(text);
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
