import { setTimeout as wait } from "node:timers/promises";
import type { NatsNode } from "@trellis/nats";
import type { Program } from "../../src/program.ts";

/** Something the nemesis may kill and pause. */
export interface Victim extends AsyncDisposable {
  readonly name: string;
  readonly kind: VictimKind;
  /** Of the process that runs now; 0 when none does. */
  readonly pid: number;
  kill(): Promise<void>;
  /** A successor begins; does not wait until it is of use. */
  start(): Promise<void>;
  pause(): Promise<void>;
  resume(): void;
}

export type VictimKind = "service" | "control plane" | "nats";

const START_TRIES = 10;
const AGAIN_MS = 500;

/** A program of ours under a supervisor: it is started again when it ends by itself, which `onEnd` hears of. */
export function supervised(options: {
  readonly name: string;
  readonly kind: VictimKind;
  readonly spawn: () => Program;
  readonly onEnd: (said: string) => void;
}): Victim {
  const { name, kind, spawn, onEnd } = options;
  let program: Program;
  let wanted = true;
  const start = (): void => {
    wanted = true;
    const started = spawn();
    program = started;
    void started.exited.then(() => {
      if (!wanted || program !== started) return;
      onEnd(started.output.slice(-2_000));
      setTimeout(() => wanted && program === started && start(), AGAIN_MS);
    });
  };
  const kill = async (): Promise<void> => {
    wanted = false;
    await program.kill();
  };
  start();
  return {
    name,
    kind,
    get pid() {
      return program.running ? program.pid : 0;
    },
    kill,
    start: () => Promise.resolve(start()),
    pause: () => Promise.resolve(program.send("SIGSTOP")),
    resume: () => program.send("SIGCONT"),
    [Symbol.asyncDispose]: kill,
  };
}

/** A server of a cluster. */
export function natsServer(node: NatsNode): Victim {
  return {
    name: `nats ${node.name}`,
    kind: "nats",
    get pid() {
      return node.pid ?? 0;
    },
    kill: () => node.kill("SIGKILL"),
    async start() {
      // A busy machine may need longer than the server is given to get ready.
      for (let tries = 1; ; tries += 1) {
        try {
          return await node.start();
        } catch (error) {
          if (tries === START_TRIES) throw error;
          await wait(AGAIN_MS);
        }
      }
    },
    pause: () => node.pause(),
    resume: () => node.resume(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
