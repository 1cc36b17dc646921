import { existsSync, readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { type LogLine, parseLogLine } from "./log-line.ts";
import { findPlatformFolder } from "./platform-folder.ts";

export interface LogOptions {
  readonly lines: number;
  readonly follow?: true;
  readonly only?: string;
}

/** How often files are looked at while following. */
const LOOK_MS = 200;
/** The end of a log holds the newest lines; nobody reads more of them than this. */
const TAIL_BYTES = 4 * 1024 * 1024;

/** Prints the newest lines of all logs in the order of their time, and goes on with `--follow`. */
export async function showLogs(context: CommandContext, options: LogOptions): Promise<void> {
  const { signal } = context;
  const files = findLogs(context, options.only);
  const lines = (await Promise.all(files.map((file) => file.readNew()))).flat().sort((one, other) => one.at - other.at);
  for (const line of options.lines === 0 ? [] : lines.slice(-options.lines)) printLine(context, line);
  while (options.follow && !signal.aborted) {
    await pause(LOOK_MS, undefined, { signal }).catch(() => undefined);
    const fresh = (await Promise.all(files.map((file) => file.readNew()))).flat();
    for (const line of fresh.sort((one, other) => one.at - other.at)) printLine(context, line);
  }
}

function findLogs({ cwd }: CommandContext, only: string | undefined): readonly LogFile[] {
  const folder = findPlatformFolder(cwd);
  if (folder === undefined) {
    throw new CliFailure({
      code: "no_local_platform",
      what: "there is no local platform in this folder or one above it",
      why: ["logs are those of a platform that trellis up started"],
      next: ["trellis up"],
      exitCode: EXIT.notFound,
    });
  }
  const nodes = existsSync(join(folder, "nats")) ? readdirSync(join(folder, "nats")).sort() : [];
  const files = [
    new LogFile("control-plane", join(folder, "logs", "control-plane.log")),
    ...nodes.map((node) => new LogFile(`nats-${node}`, join(folder, "nats", node, "server.log"))),
  ];
  const chosen = only === undefined ? files : files.filter(({ source }) => source === only);
  if (chosen.length > 0) return chosen;
  throw new CliFailure({
    code: "no_such_log",
    what: `there is no log of ${only}`,
    next: [`use one of ${files.map(({ source }) => source).join(", ")}`],
    exitCode: EXIT.notFound,
  });
}

/** A log that grows, and may begin anew when it is rotated. */
class LogFile {
  readonly source: string;
  readonly #path: string;
  #offset: number | undefined;
  #unfinished = "";
  #at = 0;

  constructor(source: string, path: string) {
    this.source = source;
    this.#path = path;
  }

  /** The whole lines written since the last look. */
  async readNew(): Promise<LogLine[]> {
    const text = this.#unfinished + (await this.#readText());
    const lines = text.split("\n");
    this.#unfinished = lines.pop() ?? "";
    return lines.flatMap((line) => {
      const parsed = parseLogLine(this.source, line, this.#at);
      if (parsed === undefined) return [];
      this.#at = parsed.at;
      return [parsed];
    });
  }

  async #readText(): Promise<string> {
    const file = await open(this.#path, "r").catch(() => undefined);
    if (file === undefined) return "";
    try {
      const { size } = await file.stat();
      const from = this.#offset === undefined ? Math.max(0, size - TAIL_BYTES) : this.#offset > size ? 0 : this.#offset;
      if (size === from) return "";
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
      this.#offset = from + bytesRead;
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await file.close();
    }
  }
}

function printLine({ terminal }: CommandContext, line: LogLine): void {
  const { colors } = terminal;
  const at = new Date(line.at).toISOString();
  terminal.answer({ ...line, at }, () => {
    const paint = { debug: colors.dim, info: (text: string) => text, warn: colors.yellow, error: colors.red }[
      line.level
    ];
    terminal.print(`${colors.dim(at.slice(11, 23))} ${colors.cyan(line.source.padEnd(13))} ${paint(line.text)}`);
  });
}
