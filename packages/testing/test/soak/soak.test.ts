import { expect, it } from "vitest";
import { chosenSeed } from "../resilience/kit/random.ts";
import { soak } from "./soak.ts";
import { tellSoak } from "./tell-soak.ts";

/** About half a minute of work on a quiet machine; a busy one takes longer for the same. `npm run soak` is the long one. */
const JOBS = 400;
const DEEDS = 7;
const EVERY_MS = 40;

it("every job is done once while processes and servers are killed and paused", async () => {
  const seed = chosenSeed();
  console.log(`soak: TRELLIS_SEED=${seed}`);
  const deeds: string[] = [];
  const report = await soak({
    seed,
    calmJobs: 50,
    jobs: JOBS,
    deeds: DEEDS,
    everyMs: EVERY_MS,
    // Longer than the acknowledgement wait: some wake up after a successor has taken over.
    longestPauseMs: 7_000,
    jobsMaxBytes: "64MiB",
    onProgress: (line) => deeds.push(line),
  });
  const told = tellSoak(report);
  console.log(told.join("\n"));
  expect(report.wrong, deeds.join("\n")).toEqual([]);
}, 600_000);
