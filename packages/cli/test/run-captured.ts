import type { CommandEntry } from "../src/command.ts";
import { runCli } from "../src/run-cli.ts";

/** What a command line printed and how it ended. */
export interface Captured {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CaptureOptions {
  readonly cwd?: string;
  readonly env?: { readonly [name: string]: string | undefined };
  readonly stdin?: string;
  readonly signal?: AbortSignal;
  readonly commands?: readonly CommandEntry[];
}

/** Runs one command line in this process; the environment is empty unless given. */
export async function runCaptured(args: readonly string[], options: CaptureOptions = {}): Promise<Captured> {
  const { cwd = import.meta.dirname, env = {}, stdin = "", signal = new AbortController().signal, commands } = options;
  let stdout = "";
  let stderr = "";
  const exitCode = await runCli({
    args,
    cwd,
    env,
    signal,
    ...(commands === undefined ? {} : { commands }),
    stdin: inputOf(stdin),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { exitCode, stdout, stderr };
}

async function* inputOf(text: string): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode(text);
}
