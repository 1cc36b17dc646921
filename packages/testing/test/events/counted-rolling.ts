import { randomInt } from "node:crypto";
import { expect } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { type COUNTERS, counting } from "./counter-contracts.ts";
import { CounterReplicas } from "./counter-replicas.ts";
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
  const source = await platform.connectService(counting, { name: "counting" });
  await source.start();
  await using replicas = await CounterReplicas.start(platform, kind);

  const perKey = Math.ceil(events / KEYS);
  let published = 0;
  const places = new Map<string, number>();
  const publishing = Promise.all(
    Array.from({ length: KEYS }, async (_, key) => {
      for (let n = 0; n < perKey; n += 1) {
        const { sequence } = await source.event.counting.counted.publish({ key: `k${key}`, n }).orThrow();
        places.set(`k${key} ${n}`, sequence);
        published += 1;
      }
    }),
  );
  const killing = (async () => {
    for (let round = 0; round < kills; round += 1) {
      // At a random moment of its share of the whole run.
      const from = ((round + random()) / kills) * perKey * KEYS;
      while (published < from) await new Promise((resolve) => setTimeout(resolve, 5));
      await replicas.kill(Math.floor(random() * 2));
    }
  })();
  await Promise.all([publishing, killing]);
  expect(published).toBe(perKey * KEYS);
  const distinct = (): Map<string, Set<number>> => {
    const seen = new Map<string, Set<number>>();
    for (const { key, n } of replicas.lines()) {
      let numbers = seen.get(key);
      if (numbers === undefined) seen.set(key, (numbers = new Set()));
      numbers.add(n);
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
  if (kind === "strict") {
    const first = [...new Set(replicas.lines().map(({ key, n }) => places.get(`${key} ${n}`) ?? 0))];
    expect(first).toEqual(first.toSorted((a, b) => a - b));
  }
  const { deadLetters } = await platform.admin.rpc.trellis.eventsDeadLettersList({}).orThrow();
  expect(deadLetters).toEqual([]);
  console.log(`rolling ${kind}: ${perKey * KEYS} events, ${replicas.lines().length - perKey * KEYS} handled again`);
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
