// npm start: the whole platform and the orders example on this machine; `npm start -- --once` makes the example call and ends.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { AlreadyRunning, type LocalPlatform, startLocalPlatform } from "@trellis/platform";

const root = join(import.meta.dirname, "..");
const example = join(root, "examples", "orders");
const HTTP_PORT = 3000;

const startedAt = performance.now();
const asked = untilAskedToStop();
const onceOnly = process.argv.includes("--once");

try {
  await main();
} catch (error) {
  if (error instanceof AlreadyRunning) {
    say(`error: ${error.message}`);
    process.exitCode = 1;
  } else throw error;
}

async function main(): Promise<void> {
  await using platform = await start();
  say(`Platform  ${platform.url}   (health ${platform.url}/readyz, metrics ${platform.url}/metrics)`);
  say(`NATS      ${platform.nats.servers.join(", ")}`);

  await using service = run("service", ["main.ts"]);
  await service.printed("orders@v1");

  await using caller = run("caller", ["caller.ts"]);
  const code = await caller.ended;
  if (code !== 0) throw new Error(`the example caller ended with ${code}; its messages are above`);
  if (onceOnly) return;
  // Whoever kills the service to see what happens is told that it is gone; nothing starts it again here.
  let stopping = false;
  void service.ended.then(() => {
    if (!stopping)
      say("The service ended. To start it again: Ctrl-C and npm start, or node main.ts in examples/orders.");
  });

  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  say(`\nThe first answer came after ${seconds} s. Try it yourself, in another terminal:`);
  say(`  npm run trellis -- call Orders.Get '{"id":"o_1"}'`);
  say(`  npm run trellis -- status`);
  say("Ctrl-C stops everything.");
  await asked;
  stopping = true;
  say("Stopping…");
}

/** On the port people try first; on any other when that one is taken. */
async function start(): Promise<LocalPlatform> {
  const options = { directory: join(root, ".trellis"), keepNatsRunning: true, onProgress: say };
  try {
    return await startLocalPlatform({ ...options, httpPort: HTTP_PORT });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    say(`Port ${HTTP_PORT} is taken; another one is used.`);
    return startLocalPlatform({ ...options, httpPort: 0 });
  }
}

interface Program extends AsyncDisposable {
  readonly ended: Promise<number | null>;
  /** Resolves when a line holds the text; rejects when the program ends first. */
  printed(text: string): Promise<void>;
}

/** A program of the example, its lines under its name. It is asked to stop when nobody needs it any more. */
function run(name: string, args: readonly string[]): Program {
  const child = spawn(process.execPath, [...args], { cwd: example, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit").then(() => child.exitCode);
  const waiting = new Map<string, () => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      say(`${name.padEnd(8)}| ${line}`);
      for (const [text, found] of waiting) if (line.includes(text)) found();
    });
  }
  return {
    ended,
    printed: (text) =>
      new Promise((resolve, reject) => {
        waiting.set(text, resolve);
        void ended.then((code) => reject(new Error(`the ${name} ended with ${code} before it was ready`)));
      }),
    [Symbol.asyncDispose]: () => stop(child, ended),
  };
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await ended;
}

function untilAskedToStop(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
