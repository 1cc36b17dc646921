import pico from "picocolors";
import type { CliFailure } from "./failure.ts";

/** Where a command reads and writes; tests give their own. */
export interface TerminalStreams {
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly env: { readonly [name: string]: string | undefined };
}

/** One face for people and programs: tables and colour on a terminal, plain text in a pipe, JSON with `--json`. */
export class Terminal {
  readonly #streams: TerminalStreams;
  readonly colors: ReturnType<typeof pico.createColors>;
  json = false;

  constructor(streams: TerminalStreams) {
    this.#streams = streams;
    const wanted = streams.env["NO_COLOR"] === undefined && streams.stdout.isTTY === true;
    this.colors = pico.createColors(wanted || streams.env["FORCE_COLOR"] !== undefined);
  }

  get isInteractive(): boolean {
    return this.#streams.stdout.isTTY === true && !this.json;
  }

  /** The answer itself: the only thing that goes to standard output. */
  print(line: string): void {
    this.#streams.stdout.write(`${line}\n`);
  }

  /** Makes room for the next picture of something that changes; in a pipe each picture follows the last one. */
  clear(): void {
    if (this.isInteractive) this.#streams.stdout.write("\u001B[2J\u001B[H");
  }

  /** Says how it goes; never part of the answer. */
  note(line: string): void {
    this.#streams.stderr.write(`${line}\n`);
  }

  /** The answer as JSON for programs, or drawn by `people` for people. */
  answer(value: unknown, people: () => void): void {
    if (this.json) this.print(JSON.stringify(value));
    else people();
  }

  /** Runs work that may take over a second under one moving line; silent where nobody is watching. */
  async during<T>(label: string, work: (say: (text: string) => void) => Promise<T>): Promise<T> {
    if (this.#streams.stderr.isTTY !== true || this.json) return work(() => undefined);
    const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
    let text = label;
    let step = 0;
    const draw = () =>
      this.#streams.stderr.write(`\r\u001B[K${this.colors.cyan(frames[step++ % frames.length] ?? "")} ${text}`);
    const timer = setInterval(draw, 80);
    try {
      return await work((next) => (text = next));
    } finally {
      clearInterval(timer);
      this.#streams.stderr.write("\r\u001B[K");
    }
  }

  failure(failure: CliFailure): void {
    const { what, why = [], next = [], code } = failure.parts;
    if (this.json) {
      this.note(JSON.stringify({ error: { code, what, why, next } }));
      return;
    }
    this.note(`${this.colors.red("error:")} ${what}`);
    for (const line of why) this.note(`  ${line}`);
    for (const [index, line] of next.entries()) {
      this.note(`${index === 0 ? `  ${this.colors.bold("next:")}` : "       "} ${line}`);
    }
  }
}
