import { setTimeout as wait } from "node:timers/promises";
import { randomOf } from "../resilience/kit/random.ts";
import type { Victim, VictimKind } from "./victim.ts";

export interface NemesisOptions {
  readonly victims: readonly Victim[];
  /** Decides whom it hurts, when and for how long; what meets what is up to the machine. */
  readonly seed: number;
  readonly longestPauseMs: number;
  readonly onDeed: (deed: string) => void;
}

export interface Nemesis {
  /** What it has done so far, by kind of process. */
  readonly kills: ReadonlyMap<VictimKind, number>;
  readonly pauses: ReadonlyMap<VictimKind, number>;
  /** Rejects when a process cannot be killed, paused or started again. */
  readonly failed: Promise<never>;
  /** Does no more harm; resolves when everything it hurt runs again. */
  stop(): Promise<void>;
}

const KILLS = { least: 1_500, most: 7_000 } as const;
const PAUSES = { least: 500, most: 5_000 } as const;
const LONGEST_GONE_MS = 3_000;

/**
 * Two hands that know nothing of each other but whom the other holds: one kills a process and starts its successor
 * after a while, one pauses a process and wakes it up, often after others have taken over what it did.
 */
export function startNemesis({ victims, seed, longestPauseMs, onDeed }: NemesisOptions): Nemesis {
  const kills = new Map<VictimKind, number>();
  const pauses = new Map<VictimKind, number>();
  const held = new Set<Victim>();
  const over = new AbortController();
  /** Rests, but not beyond the end. */
  const rest = (ms: number): Promise<void> => wait(ms, undefined, { signal: over.signal }).catch(() => undefined);

  const hand = async (what: Hand, random: () => number): Promise<void> => {
    while (!over.signal.aborted) {
      await rest(what.least + random() * (what.most - what.least));
      const free = victims.filter((victim) => !held.has(victim) && what.may(victim));
      const victim = free[Math.floor(random() * free.length)];
      const ms = random() * what.longest;
      if (victim === undefined || over.signal.aborted) continue;
      held.add(victim);
      onDeed(`${what.deed} ${victim.name} for ${Math.round(ms)} ms`);
      what.done.set(victim.kind, (what.done.get(victim.kind) ?? 0) + 1);
      await what.hurt(victim);
      await rest(ms);
      await what.heal(victim);
      held.delete(victim);
    }
  };
  const hands = Promise.all([
    hand(
      {
        ...KILLS,
        deed: "kill",
        // On a slow machine a successor needs longer to begin than the nemesis to come again.
        may: (it) => it.useful,
        longest: LONGEST_GONE_MS,
        done: kills,
        hurt: (it) => it.kill(),
        heal: (it) => it.start(),
      },
      randomOf(seed),
    ),
    hand(
      {
        ...PAUSES,
        deed: "pause",
        may: (it) => it.pid > 0,
        longest: longestPauseMs,
        done: pauses,
        hurt: (it) => it.pause(),
        heal: (it) => it.resume(),
      },
      randomOf(~seed),
    ),
  ]);
  return {
    kills,
    pauses,
    failed: hands.then(() => new Promise<never>(() => undefined)),
    async stop() {
      over.abort();
      await hands;
    },
  };
}

interface Hand {
  readonly deed: string;
  /** Rests at least and at most so long before each. */
  readonly least: number;
  readonly most: number;
  readonly longest: number;
  readonly may: (victim: Victim) => boolean;
  readonly done: Map<VictimKind, number>;
  readonly hurt: (victim: Victim) => Promise<void>;
  readonly heal: (victim: Victim) => Promise<void> | void;
}
