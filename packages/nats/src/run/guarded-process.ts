import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import type { Readable } from "node:stream";

/**
 * A process that cannot outlive us, whatever ends us. Between us and it stands a guardian that holds the other end of a
 * pipe: when we are gone, SIGKILL included, the pipe closes and the guardian kills the process.
 *
 * The guardian starts the process itself, so there is no moment in which one runs unguarded; it is in a session of its
 * own, so Ctrl-C in a terminal reaches us and not the server we still need to drain through.
 */
export interface GuardedProcess {
  readonly pid: number;
  /** Resolves when the process is gone; its exit status (128 + n for signal n). */
  readonly exited: Promise<number>;
  readonly running: boolean;
  /** Makes our event loop wait for the process, which it otherwise does not. */
  ref(): void;
}

export interface GuardOptions {
  readonly guard?: "shell" | "node";
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts `command`; its output is appended to `logFile`. */
export async function spawnGuarded(
  command: string,
  args: readonly string[],
  logFile: string,
  { guard = process.platform === "win32" ? "node" : "shell", env = process.env }: GuardOptions = {},
): Promise<GuardedProcess> {
  const log = openSync(logFile, "a", 0o600);
  let guardian: ChildProcess;
  try {
    const [shell, ...script] = guard === "node" ? NODE_GUARDIAN : SHELL_GUARDIAN;
    guardian = spawn(shell, [...script, command, ...args], {
      stdio: ["pipe", log, log, "pipe"],
      env,
      detached: true,
      windowsHide: true,
    });
  } finally {
    closeSync(log);
  }

  let running = true;
  const exited = new Promise<number>((resolve, reject) => {
    guardian.once("error", reject);
    guardian.once("exit", (code, signal) => {
      running = false;
      resolve(code ?? (signal === null ? 1 : 128));
    });
  });
  exited.catch(() => undefined);

  const pid = await Promise.race([readPid(guardian), exited.then(() => undefined)]);
  if (pid === undefined) throw new Error(`could not start ${command}; see ${logFile}`);
  guardian.unref();
  for (const stream of guardian.stdio) if (stream !== null && stream !== undefined) unref(stream);
  return {
    pid,
    exited: exited.then((status) => {
      // A guardian that was itself killed left its charge behind.
      if (status === 128) killIfAlive(pid);
      return status;
    }),
    get running() {
      return running;
    },
    ref: () => guardian.ref(),
  };
}

/**
 * Descriptor 0 is the pipe to us, 3 takes the process id. The process gets neither. `wait` keeps the process's id from
 * being used again until the watcher is told to go.
 */
const SHELL_GUARDIAN = [
  "/bin/sh",
  "-c",
  `exec 4<&0 </dev/null
"$@" 3>&- 4<&- &
pid=$!
( exec 3>&-; read -r _ <&4; kill -9 "$pid" ) 2>/dev/null &
watcher=$!
echo "$pid" >&3
exec 3>&- 4<&-
wait "$pid"
status=$?
kill -9 "$watcher" 2>/dev/null
exit "$status"`,
  "trellis-nats-guardian",
] as const;

/** The same for systems without a POSIX shell. */
const NODE_GUARDIAN = [
  process.execPath,
  "-e",
  `const [command, ...args] = process.argv.slice(1);
const child = require("node:child_process").spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], windowsHide: true });
child.on("error", () => process.exit(127));
child.on("exit", (code) => process.exit(code ?? 1));
process.stdin.on("close", () => child.kill("SIGKILL")).on("error", () => child.kill("SIGKILL")).resume();
require("node:fs").writeSync(3, child.pid + "\\n");
require("node:fs").closeSync(3);`,
  "--",
] as const;

async function readPid(guardian: ChildProcess): Promise<number | undefined> {
  const pipe = guardian.stdio[3];
  if (pipe === null || pipe === undefined || !isReadable(pipe)) return undefined;
  const [line] = await once(pipe, "data");
  const pid = Number.parseInt(String(line), 10);
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

function isReadable(stream: object): stream is Readable {
  return "read" in stream && "once" in stream;
}

function unref(stream: object): void {
  if ("unref" in stream && typeof stream.unref === "function") stream.unref();
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
