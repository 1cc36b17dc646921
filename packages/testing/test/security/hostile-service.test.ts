import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fullService } from "./kit/hostile-manifests.ts";
import { type Joined, type Laboratory, openLaboratory } from "./kit/laboratory.ts";
import { ask, askMany } from "./kit/participant.ts";

let lab: Laboratory;
let mallory: Joined;
let victim: Joined;
beforeAll(async () => {
  lab = await openLaboratory();
  const [m, v] = [fullService("mallory"), fullService("victim")];
  const keys = [await lab.deploy("mallory", m), await lab.deploy("victim", v)] as const;
  mallory = await lab.join({ key: keys[0], manifest: m });
  victim = await lab.join({ key: keys[1], manifest: v });
});
afterAll(() => lab?.[Symbol.asyncDispose]());

describe("acks", () => {
  it("cannot pull from a neighbour's consumer by an acknowledgement that asks for the next message", async () => {
    await ask(victim.nc, victim.key, "events.v1.Victim.Told", '"secret"');
    await ask(victim.nc, victim.key, "trellis.jobs.victim.queue.1.created", '"work"');
    for (const subject of ["$JS.ACK.EVENTS.victim_group.EVENTS.mallory_group.1.1.0", "$JS.ACK.JOBS_WORK.victim_queue.JOBS_WORK.mallory_queue.1.1.0"]) {
      const stolen = await askMany(mallory.nc, mallory.key, subject, "+NXT", { until: () => true, timeoutMs: 700 });
      console.log(subject, stolen.map((s) => [s.subject, s.text(), s.reply]), [...mallory.violations.seen]);
      expect(stolen).toEqual([]);
    }
  });
});
