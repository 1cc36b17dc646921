import { setTimeout as wait } from "node:timers/promises";
import type { NatsNode } from "@trellis/nats";
import type { Program } from "../../src/program.ts";

/** Something the nemesis may kill and pause. */
export interface Victim extends AsyncDisposable {
  readonly name: string;
  readonly kind: VictimKind;
  /** Of the process that runs now; 0 when none does. */
  readonly pid: number;
  /** It has been of use since it began. */
  readonly useful: boolean;
  kill(): Promise<void>;
  /** A successor begins; does not wait until it is of use. */
  start(): Promise<void>;
  pause(): Promise<void>;
  resume(): void;
}

export type VictimKind = "service" | "control plane" | "nats";

const START_TRIES = 10;
const AGAIN_MS = 500;
/** Until it has caught up with the others, who may be away themselves. */
const HEALTHY_MS = 600_000;

/** A program of ours under a supervisor: it is started again when it ends by itself, which `onEnd` hears of. */
export function supervised(options: {
  readonly name: string;
  readonly kind: VictimKind;
  readonly spawn: () => Program;
  /** What it says when it is of use. */
  readonly says: RegExp;
  readonly onEnd: (said: string) => void;
}): Victim {
  const { name, kind, spawn, says, onEnd } = options;
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
    get useful() {
      return program.running && says.test(program.output);
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
  let useful = true;
  return {
    name: `nats ${node.name}`,
    kind: "nats",
    get pid() {
      return node.pid ?? 0;
    },
    get useful() {
      return useful;
    },
    kill() {
      useful = false;
      return node.kill("SIGKILL");
    },
    async start() {
      // A busy machine may need longer than the server is given to get ready.
      for (let tries = 1; ; tries += 1) {
        try {
          await node.start();
          return void node.healthy(HEALTHY_MS).then(
            () => (useful = true),
            () => undefined,
          );
        } catch (error) {
          if (tries === START_TRIES) throw error;
          await wait(AGAIN_MS);
        }
      }
    },
    // It has been asked to; a busy machine may need a moment longer than is waited for.
    pause: () => node.pause().catch(() => undefined),
    resume: () => node.resume(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
