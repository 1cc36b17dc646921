import { loadavg } from "node:os";
import type { BenchResult } from "../report.ts";
import { median, round } from "../statistics.ts";
import type { WorkerProcess } from "../worker-process.ts";
import { enterRestate, enterTrellis } from "./arena.ts";

const TURNS = 5;
const TURN_MS = 2_000;
const IN_FLIGHT = 128;
const SLEEPERS = 100_000;
/** A replica's memory is mostly the garbage of what it takes at once. */
const AT_ONCE = 250;
/** What was only started is worked off before the next turn. */
const WORKED_OFF_MS = 6_000;

/** Restate forces its log to the disk: against that we must not be slower where we do so too. */
const PROMISED = { threeSteps: 2_300, ofRestate: 5, ofRestateOnDisk: 1, sleepersMb: 400 } as const;

/**
 * Operations that do nothing, from the caller's start to the recorded end it waited for, in turns with bare publishes of
 * the same records, with the same on a platform whose acknowledgements are on the disk, and with Restate where it is
 * installed. Callers, services and the bare publisher are processes of their own; one replica, R1, `sync_interval` 2 m.
 */
export async function run(): Promise<BenchResult> {
  await using up = new AsyncDisposableStack();
  const begin = await enterTrellis(up);
  const beginOnDisk = await enterTrellis(up, "always");
  const beginRestate = await enterRestate(up);
  await begin("serve");
  await beginOnDisk("serve");
  const pickUp = await begin("pickup");
  const sides = new Map<string, WorkerProcess>([
    ["three", await begin("three")],
    ["three on disk", await beginOnDisk("three")],
    ["bare", await begin("bare")],
  ]);
  if (beginRestate !== undefined) {
    sides.set("three of Restate", await beginRestate("three"));
    sides.set("start of Restate", await beginRestate("start"));
  }
  sides.set("start", await begin("start"));

  const rates = new Map([...sides.keys()].map((name) => [name, [] as number[]]));
  for (let turn = -1; turn < TURNS; turn += 1) {
    for (const [name, side] of sides) {
      const { calls, elapsedMs } = await side.run({ type: "run", durationMs: TURN_MS, inFlight: IN_FLIGHT });
      // The first turn is for the compilers.
      if (turn >= 0) rates.get(name)?.push(calls / (elapsedMs / 1_000));
      await pause(name.startsWith("start") ? WORKED_OFF_MS : 500);
    }
  }
  const rateOf = (name: string): number => median(rates.get(name) ?? []);
  /** The median over the turns of one ÷ the other next to it; nothing when the other did not take part. */
  const ratioOf = (name: string, other: string): number | undefined => {
    const others = rates.get(other);
    return others && round(median((rates.get(name) ?? []).map((rate, turn) => rate / (others[turn] ?? Number.NaN))));
  };
  const idle = await pickUp.run({ type: "run", durationMs: 2_000, inFlight: 1 });
  // On a platform of its own: what a replica took to answer everything above is not the memory of sleepers.
  const beginSleep = await enterTrellis(up);
  const sleeping = await beginSleep("serve");
  const before = (await sleeping.ask({ type: "usage" }, "usage")).rssMb;
  const sleep = await beginSleep("sleep");
  const fell = performance.now();
  for (let started = 0; started < SLEEPERS; started += AT_ONCE) {
    const { failed, firstFailure } = await sleep.ask({ type: "burst", count: AT_ONCE }, "burst");
    if (failed > 0) throw new Error(`${failed} sleepers were not accepted: ${firstFailure}`);
  }
  const acceptedMs = performance.now() - fell;
  await pause(15_000);
  const asleep = (await sleeping.ask({ type: "usage" }, "usage")).rssMb;

  const threeRate = rateOf("three");
  const ofRestate = ratioOf("three", "three of Restate");
  const ofRestateOnDisk = ratioOf("three on disk", "three of Restate");
  const missed: string[] = [];
  if (threeRate < PROMISED.threeSteps)
    missed.push(`three-step operations: ${Math.round(threeRate)}/s; promised ${PROMISED.threeSteps}`);
  if (ofRestate !== undefined && ofRestate < PROMISED.ofRestate)
    missed.push(`three-step operations: ${ofRestate} of Restate; promised ${PROMISED.ofRestate}`);
  if (ofRestateOnDisk !== undefined && ofRestateOnDisk < PROMISED.ofRestateOnDisk)
    missed.push(
      `three-step operations on the disk: ${ofRestateOnDisk} of Restate; promised ${PROMISED.ofRestateOnDisk}`,
    );
  if (asleep >= PROMISED.sleepersMb)
    missed.push(`${SLEEPERS} sleeping operations: ${Math.round(asleep)} MB; promised < ${PROMISED.sleepersMb}`);
  return {
    bench: "operations",
    columns: ["what", "a second", "note"],
    rows: [
      ["start", String(Math.round(rateOf("start"))), "accepted is stored; the service runs them meanwhile"],
      [
        "three steps",
        String(Math.round(threeRate)),
        "started, run, ended and waited for; five records and an item each",
      ],
      ["bare", String(Math.round(rateOf("bare"))), "the same six records published by nats.js, nobody works"],
      [
        "three steps, on disk",
        String(Math.round(rateOf("three on disk"))),
        "the same with `sync_interval: always`: acknowledged means on the disk",
      ],
      ...(ofRestate === undefined
        ? [["Restate", "skipped", "it is not installed here (scripts/peers/install-restate.sh)"]]
        : [
            ["Restate, start", String(Math.round(rateOf("start of Restate"))), "one node as it comes"],
            [
              "Restate, three steps",
              String(Math.round(rateOf("three of Restate"))),
              `its log is on the disk; we are ${ofRestate} of it, and ${ofRestateOnDisk ?? "?"} with ours on the disk`,
            ],
          ]),
      ["alone", `${round(idle.p50Ms)} ms`, "one at a time, from the start to the answer of wait (p50)"],
      ["sleepers", `${Math.round(asleep)} MB`, `${SLEEPERS} asleep on one replica; ${Math.round(before)} MB before`],
    ],
    ratios: {
      bare: ratioOf("three", "bare") ?? Number.NaN,
      ...(ofRestate === undefined ? {} : { ofRestate }),
      ...(ofRestateOnDisk === undefined ? {} : { ofRestateOnDisk }),
    },
    facts: {
      load: round(loadavg()[0] ?? 0, 1),
      startPerSecond: Math.round(rateOf("start")),
      threeStepsPerSecond: Math.round(threeRate),
      idleMs: round(idle.p50Ms),
      sleepersMb: Math.round(asleep),
      sleepersPerSecond: Math.round(SLEEPERS / (acceptedMs / 1_000)),
    },
    missed,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
