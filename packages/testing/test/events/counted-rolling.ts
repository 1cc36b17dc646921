import { type ChildProcess, fork } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { expect } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { type COUNTERS, counting } from "./counter-contracts.ts";
import { eventually } from "./eventually.ts";

const KEYS = 50;

export interface Rolling {
  readonly kind: keyof typeof COUNTERS;
  readonly events: number;
  /** How often a replica is killed, at random moments. */
  readonly kills: number;
  readonly withinMs: number;
}

/** Two replicas as processes, killed at random while events are published: each event is written down, in order by key. */
export async function countThroughKills({ kind, events, kills, withinMs }: Rolling): Promise<void> {
  const seed = Number(process.env["TRELLIS_SEED"] ?? randomInt(2 ** 31));
  console.log(`rolling ${kind}: TRELLIS_SEED=${seed}`);
  const random = mulberry(seed);
  await using platform = await startPlatform();
  const directory = await mkdtemp(join(tmpdir(), "trellis-counter-"));
  const ledger = join(directory, "ledger");
  const replicas: (ChildProcess | undefined)[] = [];
  try {
    const name = `${kind}-counter`;
    await platform.admin.rpc.auth.deploymentsCreate({ name, mode: "mutable-dev" }).orThrow();
    const source = await platform.connectService(counting, { name: "counting" });
    await source.start();
    const start = async (index: number): Promise<void> => {
      const seedFile = join(directory, `${index}.seed`);
      const child = fork(join(import.meta.dirname, "counter-process.ts"), [kind, platform.url, seedFile, ledger], {
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      });
      replicas[index] = child;
      await new Promise((resolve, reject) => {
        child.once("message", resolve);
        child.once("exit", (code, signal) =>
          signal === "SIGKILL" ? resolve(undefined) : reject(new Error(`a replica ended: ${code}`)),
        );
      });
    };
    for (const index of [0, 1]) {
      const { seed: bytes } = loadOrCreateSeedFile(join(directory, `${index}.seed`));
      await platform.admin.rpc.auth
        .instancesProvision({ deployment: name, sessionKey: nodeSessionKey(bytes).publicKey })
        .orThrow();
    }
    await Promise.all([start(0), start(1)]);

    const perKey = Math.ceil(events / KEYS);
    let published = 0;
    const publishing = Promise.all(
      Array.from({ length: KEYS }, async (_, key) => {
        for (let n = 0; n < perKey; n += 1) {
          await source.event.counting.counted.publish({ key: `k${key}`, n }).orThrow();
          published += 1;
        }
      }),
    );
    const killing = (async () => {
      for (let round = 0; round < kills; round += 1) {
        // At a random moment of its share of the whole run.
        const from = ((round + random()) / kills) * perKey * KEYS;
        while (published < from) await new Promise((resolve) => setTimeout(resolve, 5));
        const index = Math.floor(random() * 2);
        const child = replicas[index];
        if (child === undefined) continue;
        const gone = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await gone;
        await start(index);
      }
    })();
    await Promise.all([publishing, killing]);
    expect(published).toBe(perKey * KEYS);
    const distinct = (): Map<string, Set<number>> => {
      const seen = new Map<string, Set<number>>();
      for (const line of existsSync(ledger) ? readFileSync(ledger, "utf8").split("\n") : []) {
        const [key, n] = line.split(" ");
        if (key === undefined || n === undefined) continue;
        let numbers = seen.get(key);
        if (numbers === undefined) seen.set(key, (numbers = new Set()));
        numbers.add(Number(n));
      }
      return seen;
    };
    await eventually(() => {
      const handled = [...distinct().values()].reduce((sum, numbers) => sum + numbers.size, 0);
      if (handled !== perKey * KEYS) throw new Error(`${handled} of ${perKey * KEYS} handled`);
    }, withinMs);
    // The order in which each was first written down, over both replicas.
    for (const [key, numbers] of distinct())
      expect([key, [...numbers]]).toEqual([key, Array.from({ length: perKey }, (_, n) => n)]);
    const { deadLetters } = await platform.admin.rpc.trellis.eventsDeadLettersList({}).orThrow();
    expect(deadLetters).toEqual([]);
    const lines = readFileSync(ledger, "utf8").split("\n").length - 1;
    console.log(`rolling ${kind}: ${perKey * KEYS} events, ${lines - perKey * KEYS} handled again`);
  } finally {
    for (const child of replicas) child?.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  }
}

/** A small generator that a seed repeats. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
