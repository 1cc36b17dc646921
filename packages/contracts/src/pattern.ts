import { parsePattern, PatternError } from "./pattern-syntax.ts";
import type { Assertion, PatternNode } from "./pattern-syntax.ts";

/**
 * Regular expressions from strangers, matched in time proportional to the text.
 *
 * A backtracking engine can be made to run for years by a short pattern and a short text, and both may come over
 * the wire here. This one walks all alternatives at once (Thompson's construction) and remembers each set of
 * alternatives as a state, so that ordinary texts cost one map look-up a character.
 */
export interface Pattern {
  /** How large the machine is. */
  readonly steps: number;
  test(text: string): boolean;
}

/** The largest machine built for one pattern; `{n,m}` multiplies what it repeats. */
export const PATTERN_STEPS_LIMIT = 4_096;

/** Remembered transitions per pattern; beyond it the memory is emptied and filled anew. */
const MEMORY_LIMIT = 8_192;

/** Builds the machine for a pattern; throws `PatternError` with what to change. */
export function compilePattern(source: string): Pattern {
  const program = assemble(parsePattern(source));
  return new Machine(program);
}

type Step =
  | { readonly kind: "one"; readonly test: (codePoint: number) => boolean; readonly next: number }
  | { readonly kind: "split"; readonly targets: readonly number[] }
  | { readonly kind: "assert"; readonly what: Assertion; readonly next: number }
  | { readonly kind: "match" };

interface Program {
  readonly steps: readonly Step[];
  readonly entry: number;
  readonly seesWords: boolean;
}

function assemble(tree: PatternNode): Program {
  const steps: Step[] = [{ kind: "match" }];
  let seesWords = false;

  const add = (step: Step): number => {
    if (steps.length >= PATTERN_STEPS_LIMIT) {
      throw new PatternError(
        `the pattern's repetitions add up to more than ${PATTERN_STEPS_LIMIT} steps; use maxLength to bound a length`,
      );
    }
    return steps.push(step) - 1;
  };

  /** Emits a node in front of `next` and gives its first step. */
  const emit = (node: PatternNode, next: number): number => {
    switch (node.kind) {
      case "empty":
        return next;
      case "one":
        return add({ kind: "one", test: node.test, next });
      case "assert":
        seesWords ||= node.what === "boundary" || node.what === "inside";
        return add({ kind: "assert", what: node.what, next });
      case "sequence":
        return node.parts.reduceRight((after, part) => emit(part, after), next);
      case "choice":
        return add({ kind: "split", targets: node.options.map((option) => emit(option, next)) });
      case "repeat":
        return emitRepeat(node.body, node.min, node.max, next);
    }
  };

  const emitRepeat = (body: PatternNode, min: number, max: number, next: number): number => {
    let after = next;
    if (max === Infinity) {
      const loop = add({ kind: "split", targets: [] });
      steps[loop] = { kind: "split", targets: [emit(body, loop), next] };
      after = loop;
    } else {
      for (let count = min; count < max; count += 1) {
        const before = steps.length;
        after = add({ kind: "split", targets: [emit(body, after), next] });
        if (steps.length === before + 1) break; // an empty body repeats to nothing
      }
    }
    for (let count = 0; count < min; count += 1) {
      const before = steps.length;
      after = emit(body, after);
      if (steps.length === before) break;
    }
    return after;
  };

  const entry = emit(tree, 0);
  return { steps, entry, seesWords };
}

/** What stands on one side of a position. */
type Side = "edge" | "word" | "other";

interface State {
  readonly at: readonly number[];
  readonly before: Side;
  readonly onward: Map<number, State | "matched">;
  ends?: boolean;
}

class Machine implements Pattern {
  readonly steps: number;
  readonly #program: Program;
  #states = new Map<string, State>();
  #remembered = 0;

  constructor(program: Program) {
    this.#program = program;
    this.steps = program.steps.length;
  }

  test(text: string): boolean {
    let state = this.#state([this.#program.entry], "edge");
    for (let index = 0; index < text.length; index += 1) {
      const codePoint = text.codePointAt(index) ?? 0;
      if (codePoint > 0xffff) index += 1;
      const next = state.onward.get(codePoint) ?? this.#advance(state, codePoint);
      if (next === "matched") return true;
      state = next;
    }
    state.ends ??= this.#reach(state, "edge") === "matched";
    return state.ends;
  }

  #advance(state: State, codePoint: number): State | "matched" {
    const side = this.#program.seesWords && isWord(codePoint) ? "word" : "other";
    const reached = this.#reach(state, side);
    let next: State | "matched" = "matched";
    if (reached !== "matched") {
      // The search is not anchored: a match may begin at every character.
      const at = new Set([this.#program.entry]);
      for (const step of reached) if (step.test(codePoint)) at.add(step.next);
      next = this.#state(
        [...at].sort((a, b) => a - b),
        side,
      );
    }
    if (this.#remembered >= MEMORY_LIMIT) {
      this.#states = new Map();
      this.#remembered = 0;
    } else {
      this.#remembered += 1;
      state.onward.set(codePoint, next);
    }
    return next;
  }

  #state(at: readonly number[], before: Side): State {
    const key = `${before}:${at.join(",")}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const state: State = { at, before, onward: new Map() };
    this.#states.set(key, state);
    return state;
  }

  /** The steps that wait for a character, following everything that needs none. */
  #reach(state: State, after: Side): readonly Extract<Step, { kind: "one" }>[] | "matched" {
    const waiting: Extract<Step, { kind: "one" }>[] = [];
    const seen = new Set<number>();
    const pending = [...state.at];
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      if (seen.has(index)) continue;
      seen.add(index);
      const step = this.#program.steps[index];
      if (step === undefined) continue;
      if (step.kind === "match") return "matched";
      if (step.kind === "one") waiting.push(step);
      else if (step.kind === "split") pending.push(...step.targets);
      else if (holds(step.what, state.before, after)) pending.push(step.next);
    }
    return waiting;
  }
}

function holds(what: Assertion, before: Side, after: Side): boolean {
  if (what === "start") return before === "edge";
  if (what === "end") return after === "edge";
  const boundary = (before === "word") !== (after === "word");
  return what === "boundary" ? boundary : !boundary;
}

function isWord(codePoint: number): boolean {
  return (
    (codePoint >= 97 && codePoint <= 122) ||
    (codePoint >= 65 && codePoint <= 90) ||
    (codePoint >= 48 && codePoint <= 57) ||
    codePoint === 95
  );
}
