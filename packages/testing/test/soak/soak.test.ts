import { expect, it } from "vitest";
import { chosenSeed } from "../resilience/kit/random.ts";
import { soak } from "./soak.ts";
import { tellSoak } from "./tell-soak.ts";

/** About half a minute of work on a quiet machine; a busy one takes longer for the same. `npm run soak` is the long one. */
const JOBS = 400;
const OPERATIONS = 60;
const OVER_MS = 16_000;
const DEEDS = 7;

it("every job and operation is done once while processes and servers are killed and paused", async () => {
  const seed = chosenSeed();
  console.log(`soak: TRELLIS_SEED=${seed}`);
  const deeds: string[] = [];
  const report = await soak({
    seed,
    jobs: JOBS,
    operations: OPERATIONS,
    overMs: OVER_MS,
    deeds: DEEDS,
    // Longer than the acknowledgement wait: some wake up after a successor has taken over.
    longestPauseMs: 7_000,
    jobsMaxBytes: "64MiB",
    comparesMemory: false,
    onProgress: (line) => deeds.push(line),
  });
  const told = tellSoak(report);
  console.log(told.join("\n"));
  expect(report.wrong, deeds.join("\n")).toEqual([]);
}, 900_000);
