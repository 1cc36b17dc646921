import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";

/** A shell with what runs in it. */
export interface Terminal {
  readonly running: boolean;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** What was printed so far: to standard output only, or all of it. */
  text(which?: "out" | "all"): string;
  /** Ctrl-C, and after a while the power switch. */
  stop(): Promise<void>;
}

const STOP_MS = 15_000;

/**
 * Runs a script in a process group of its own. A watchdog in the group holds a pipe from us: when we are gone, killed
 * or not, it ends the whole group, so nothing a guide starts outlives its test.
 */
export function openTerminal(script: string, cwd: string, env: Readonly<Record<string, string>>): Terminal {
  const watched = `(cat <&3; kill -KILL -$$) >/dev/null 2>&1 &\nexec 3<&-\n${script}`;
  const child = spawn("sh", ["-c", watched], { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe", "pipe"] });
  let out = "";
  let all = "";
  let running = true;
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    out += chunk;
    all += chunk;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => void (all += chunk));
  const leash = child.stdio[3];
  leash?.on("error", () => undefined);
  const exited = new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => {
      running = false;
      resolve(code ?? signal ?? "unknown");
    });
  });
  // The pipes may hold more after the exit.
  const ended = exited.then(async (code) => {
    leash?.destroy();
    await new Promise<void>((resolve) => {
      if (child.stdout?.readableEnded && child.stderr?.readableEnded) resolve();
      else child.once("close", () => resolve());
    });
    return code;
  });
  return {
    get running() {
      return running;
    },
    ended,
    text: (which = "all") => (which === "out" ? out : all),
    async stop() {
      if (running && child.pid !== undefined) {
        signalGroup(child.pid, "SIGINT");
        await Promise.race([exited, pause(STOP_MS, undefined, { ref: false })]);
      }
      leash?.destroy();
      await ended;
    },
  };
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It ended by itself just now.
  }
}
