import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { ValidationError } from "./errors.ts";
import { escapeEventToken, unescapeEventToken } from "./event-token.ts";
import { LIMITS } from "./limits.ts";

/** A template of event subjects, taken apart once: `events.v1.Orders.Placed.{/customer/id}`. */
export interface EventTemplate {
  readonly template: string;
  /** The JSON pointers of the parameters, in the order of their tokens. */
  readonly pointers: readonly string[];
  /** The subject of this payload, or which parameter it lacks. */
  subject(payload: unknown): Result<string, ValidationError>;
  /** The values of the parameters in a subject, as text; `undefined` when it is not of this template. */
  tokens(subject: string): readonly string[] | undefined;
}

/** Takes a template apart. Throws a `TypeError` when it is none: contracts refuse such a template before. */
export function compileEventTemplate(template: string): EventTemplate {
  const parts = parseTemplate(template);
  const pointers = parts.filter((part) => part.keys !== undefined).map((part) => part.text);
  return {
    template,
    pointers,
    subject: (payload) => fill(parts, payload),
    tokens: (subject) => read(parts, subject),
  };
}

/** The subject of one event; compile the template where many are published. */
export function eventSubject(template: string, payload: unknown): Result<string, ValidationError> {
  return compileEventTemplate(template).subject(payload);
}

/** The values of the parameters in the subject of one event; compile the template where many are received. */
export function eventTokens(template: string, subject: string): readonly string[] | undefined {
  return compileEventTemplate(template).tokens(subject);
}

interface Part {
  /** A literal token, or the pointer of a parameter. */
  readonly text: string;
  /** The keys of the pointer; absent for a literal. */
  readonly keys?: readonly string[];
}

const LITERAL = /^[A-Za-z0-9_-]+$/;
const POINTER = /^(?:\/(?:[^~/{}]|~[01])*)+$/;

function parseTemplate(template: string): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  while (at <= template.length) {
    // A pointer may hold dots, so a parameter ends with its brace and a literal with a dot.
    const end = template[at] === "{" ? template.indexOf("}", at) + 1 : nextDot(template, at);
    const text = template.slice(at, end);
    const isParameter = text.startsWith("{");
    if (end === 0 || (end < template.length && template[end] !== ".")) throw notATemplate(template);
    if (isParameter) {
      const pointer = text.slice(1, -1);
      if (!POINTER.test(pointer)) throw notATemplate(template);
      parts.push({ text: pointer, keys: pointer.slice(1).split("/").map(unescapeKey) });
    } else {
      if (!LITERAL.test(text)) throw notATemplate(template);
      parts.push({ text });
    }
    at = end + 1;
  }
  return parts;
}

function nextDot(text: string, from: number): number {
  const at = text.indexOf(".", from);
  return at < 0 ? text.length : at;
}

function unescapeKey(key: string): string {
  return key.replaceAll("~1", "/").replaceAll("~0", "~");
}

function notATemplate(template: string): TypeError {
  return new TypeError(
    `"${template}" is not a template of event subjects: words joined by dots, parameters as {/json/pointer}.`,
  );
}

function fill(parts: readonly Part[], payload: unknown): Result<string, ValidationError> {
  let subject = "";
  for (const part of parts) {
    if (subject !== "") subject += ".";
    if (part.keys === undefined) {
      subject += part.text;
      continue;
    }
    const text = asText(valueAt(payload, part.keys));
    const token = text === undefined ? undefined : escapeEventToken(text);
    if (token === undefined) {
      return refuse(part.text, "the subject of this event needs a text, a number or a boolean here");
    }
    subject += token;
  }
  // Every character is ASCII by now, so characters are bytes.
  if (subject.length > LIMITS.subjectBytes) {
    return refuse(
      "",
      `the subject of this event would be longer than ${LIMITS.subjectBytes} bytes; use shorter parameters`,
    );
  }
  return ok(subject);
}

function read(parts: readonly Part[], subject: string): readonly string[] | undefined {
  const tokens = subject.split(".");
  if (tokens.length !== parts.length) return undefined;
  const values: string[] = [];
  for (const [index, part] of parts.entries()) {
    const token = tokens[index] ?? "";
    if (part.keys === undefined) {
      if (token !== part.text) return undefined;
      continue;
    }
    const value = unescapeEventToken(token);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

/** Only own members count: a payload cannot be made to name what its prototype has. */
function valueAt(payload: unknown, keys: readonly string[]): unknown {
  let value = payload;
  for (const key of keys) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

/** The text a value has in the JSON that travels: negative zero, for one, travels as 0. */
function asText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  return typeof value === "number" && Number.isFinite(value) ? JSON.stringify(value) : undefined;
}

function refuse(path: string, message: string): Result<never, ValidationError> {
  return err(new ValidationError([{ path, message }]));
}
