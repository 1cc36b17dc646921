import { fileURLToPath } from "node:url";
import { defineServiceContract } from "@trellis/contracts";
import { Type } from "typebox";
import { describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { dueTimes } from "./jobs/due-times.ts";
import { type ControlPlaneProcess, spawnControlPlane } from "./resilience/kit/control-planes.ts";
import { eventually } from "./resilience/kit/eventually.ts";

const SHIFT_CLOCK = fileURLToPath(new URL("./resilience/kit/shift-clock.ts", import.meta.url));
const JUMP_CLOCK = fileURLToPath(new URL("./resilience/kit/jump-clock.ts", import.meta.url));
const MINUTE_MS = 60_000;
/** All three times are past by more than a minute then: they were missed. */
const AWAY_MS = 8.5 * MINUTE_MS;
/** The one that is looked at last, so it says when the others have been. */
const EVERY_SECOND = "z-second";

/** Three times in an hour, the first one two or three minutes from now, in queues that differ in what they make up for. */
function missing() {
  const first = Math.ceil(Date.now() / MINUTE_MS) + 2;
  const due = [0, 2, 4].map((minutes) => (first + minutes) * MINUTE_MS);
  const cron = `${due.map((at) => new Date(at).getUTCMinutes()).join(",")} * * * *`;
  const payload = { of: "time" };
  const contract = defineServiceContract({ schemas: { Tick: Type.Object({ of: Type.String() }) } }, (ref) => ({
    id: "calendar@v1",
    displayName: "Calendar",
    description: "Has jobs by the clock and nobody who does them.",
    jobs: {
      days: {
        payload: ref.schema("Tick"),
        schedules: {
          all: { cron, payload, catchUp: "all" },
          last: { cron, payload },
          none: { cron, payload, catchUp: "none" },
          [EVERY_SECOND]: { cron: "* * * * * *", payload },
        },
      },
    },
  }));
  return { contract, due: due.map((at) => at / 1_000) };
}

/** A control plane whose clock is off by so much, once it has looked at every schedule by it. */
async function passes(platform: TestPlatform, byMs: number): Promise<ControlPlaneProcess> {
  const since = (Date.now() + byMs) / 1_000;
  const plane = await spawnControlPlane(platform.local, { CLOCK_SHIFT_MS: String(byMs) }, [SHIFT_CLOCK]);
  const looked = (at: number): boolean => at > since && at < since + 120;
  await eventually("it has looked", async () => (await dueTimes(platform, EVERY_SECOND)).some(looked), 60_000);
  return plane;
}

describe("schedules and clocks", () => {
  it("make up for missed times as each says, and for none of them twice when the clock is set back", async () => {
    await using platform = await startPlatform();
    const { contract, due } = missing();
    const service = await platform.connectService(contract);
    await service.stop();
    await eventually("all have been looked at", async () => (await dueTimes(platform, EVERY_SECOND)).length > 1);
    await Promise.all(platform.local.controlPlanes.map((controlPlane) => controlPlane.stop()));

    const found = async () => Promise.all(["all", "last", "none"].map((schedule) => dueTimes(platform, schedule)));
    const later = await passes(platform, AWAY_MS);
    const madeUp = [due, due.slice(-1), []];
    expect(await found()).toEqual(madeUp);
    await later.program.kill();
    // Back to what it is, and there again: the same times are due once more.
    const back = await passes(platform, 0);
    await back.program.kill();
    const again = await passes(platform, AWAY_MS + MINUTE_MS / 2);
    expect(await found()).toEqual(madeUp);
    await again.program.kill();
    const seconds = await dueTimes(platform, EVERY_SECOND);
    expect(new Set(seconds).size).toBe(seconds.length);
  }, 240_000);

  it("leave no time out and have none twice when the clock jumps back under a control plane", async () => {
    await using platform = await startPlatform();
    const { contract } = missing();
    const service = await platform.connectService(contract);
    await service.stop();
    await Promise.all(platform.local.controlPlanes.map((controlPlane) => controlPlane.stop()));
    const plane = await spawnControlPlane(platform.local, { CLOCK_JUMP_MS: "-5000" }, [JUMP_CLOCK]);
    const newest = async (): Promise<number> => (await dueTimes(platform, EVERY_SECOND)).at(-1) ?? 0;
    await eventually("there are some", async () => (await dueTimes(platform, EVERY_SECOND)).length > 2);
    plane.program.send("SIGUSR2");
    await plane.program.said(/the clock has jumped/);
    const jumpedAt = await newest();
    await eventually("it has come to new times", async () => (await newest()) > jumpedAt + 3, 60_000);
    const seconds = await dueTimes(platform, EVERY_SECOND);
    expect(seconds).toEqual(seconds.map((_, at) => (seconds[0] ?? 0) + at));
    await plane.program.kill();
  }, 120_000);
});
