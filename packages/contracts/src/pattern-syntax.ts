/**
 * Reads the part of ECMAScript's regular expressions that can be matched in linear time: everything except
 * back-references and look-around. The tree it gives is turned into a machine by `pattern.ts`.
 */

/** A pattern this platform does not run, with the sentence a person needs to change it. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}

/** A regular expression as a tree. */
export type PatternNode =
  | { readonly kind: "empty" }
  | { readonly kind: "one"; readonly test: (codePoint: number) => boolean }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "choice"; readonly options: readonly PatternNode[] }
  | { readonly kind: "repeat"; readonly body: PatternNode; readonly min: number; readonly max: number }
  | { readonly kind: "assert"; readonly what: Assertion };

/** Conditions between two characters. */
export type Assertion = "start" | "end" | "boundary" | "inside";

/** The longest pattern accepted, in characters: longer ones are data, not patterns. */
export const PATTERN_LENGTH_LIMIT = 1_024;

/** Reads a pattern as ECMAScript does with the `u` flag; throws `PatternError`. */
export function parsePattern(source: string): PatternNode {
  if (source.length > PATTERN_LENGTH_LIMIT) {
    throw new PatternError(`the pattern is longer than ${PATTERN_LENGTH_LIMIT} characters`);
  }
  try {
    // The engine of the platform decides what is well formed; the reader below may then trust the syntax.
    RegExp(source, "u");
  } catch (cause) {
    throw new PatternError(cause instanceof Error ? cause.message : "the pattern is not a regular expression");
  }
  return new Reader(source).choice();
}

const QUANTIFIER = /(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/y;
const ESCAPE =
  /\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[dD][89abAB][\dA-Fa-f]{2}\\u[dD][c-fC-F][\dA-Fa-f]{2}|u[\dA-Fa-f]{4}|x[\dA-Fa-f]{2}|c[A-Za-z]|[^])/uy;
const CLASS = /\[(?:\\[^]|[^\]\\])*\]/uy;

class Reader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  choice(): PatternNode {
    const options = [this.#sequence()];
    while (this.#take("|")) options.push(this.#sequence());
    return options.length === 1 && options[0] !== undefined ? options[0] : { kind: "choice", options };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#at < this.#source.length && !this.#looking("|") && !this.#looking(")")) {
      parts.push(this.#quantified(this.#term()));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "sequence", parts };
  }

  #term(): PatternNode {
    if (this.#take("^")) return { kind: "assert", what: "start" };
    if (this.#take("$")) return { kind: "assert", what: "end" };
    if (this.#take("\\b")) return { kind: "assert", what: "boundary" };
    if (this.#take("\\B")) return { kind: "assert", what: "inside" };
    if (this.#looking("(")) return this.#group();
    if (this.#looking("[")) return matcher(this.#match(CLASS));
    if (this.#looking("\\")) return this.#escape();
    if (this.#take(".")) return matcher(".");
    const codePoint = this.#source.codePointAt(this.#at) ?? 0;
    this.#at += codePoint > 0xffff ? 2 : 1;
    return { kind: "one", test: (other) => other === codePoint };
  }

  #group(): PatternNode {
    if (!this.#take("(?:")) {
      if (/^\(\?(?:[=!]|<[=!])/.test(this.#source.slice(this.#at))) {
        throw new PatternError(
          "look-around cannot be matched in bounded time; write several patterns under allOf instead",
        );
      }
      if (/^\(\?[a-z-]/.test(this.#source.slice(this.#at))) throw new PatternError("inline flags are not supported");
      this.#match(/\((?:\?<[^>]*>)?/y);
    }
    const body = this.choice();
    this.#take(")");
    return body;
  }

  #escape(): PatternNode {
    const text = this.#match(ESCAPE);
    if (/^\\(?:[1-9]|k)/.test(text)) {
      throw new PatternError("back-references cannot be matched in bounded time");
    }
    return matcher(text);
  }

  #quantified(body: PatternNode): PatternNode {
    QUANTIFIER.lastIndex = this.#at;
    const found = QUANTIFIER.exec(this.#source);
    if (found === null) return body;
    this.#at = QUANTIFIER.lastIndex;
    const [, symbol, least, comma, most] = found;
    if (symbol !== undefined) {
      return { kind: "repeat", body, min: symbol === "+" ? 1 : 0, max: symbol === "?" ? 1 : Infinity };
    }
    const min = Number(least);
    const max = comma === undefined ? min : most === "" || most === undefined ? Infinity : Number(most);
    return { kind: "repeat", body, min, max };
  }

  #looking(text: string): boolean {
    return this.#source.startsWith(text, this.#at);
  }

  #take(text: string): boolean {
    if (!this.#looking(text)) return false;
    this.#at += text.length;
    return true;
  }

  #match(expression: RegExp): string {
    expression.lastIndex = this.#at;
    const text = expression.exec(this.#source)?.[0];
    if (text === undefined) throw new PatternError(`the pattern cannot be read at character ${this.#at + 1}`);
    this.#at += text.length;
    return text;
  }
}

/** Classes and escapes are asked of the platform's own engine, one character at a time. */
function matcher(source: string): PatternNode {
  const expression = new RegExp(`^${source}$`, "u");
  return { kind: "one", test: (codePoint) => expression.test(String.fromCodePoint(codePoint)) };
}
