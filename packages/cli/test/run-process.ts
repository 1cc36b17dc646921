import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Captured } from "./run-captured.ts";

const BIN = join(import.meta.dirname, "..", "src", "bin.ts");

/** `trellis` as people run it: a process of its own. */
export interface RunningTrellis {
  readonly ended: Promise<Captured>;
  interrupt(): void;
}

export function startTrellis(args: readonly string[], cwd: string): RunningTrellis {
  const child = spawn(process.execPath, [BIN, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return {
    ended: new Promise((resolve) =>
      child.once("close", (code, signal) => resolve({ exitCode: code ?? -1, stdout, stderr: stderr + (signal ?? "") })),
    ),
    interrupt: () => void child.kill("SIGINT"),
  };
}
