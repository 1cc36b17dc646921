import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { contractSets, writeSet } from "./kit/contract-sets.ts";
import { type Laboratory, openLaboratory } from "./kit/laboratory.ts";
import { newKey } from "./kit/participant.ts";
import { probes } from "./kit/probes.ts";
import { joinSet } from "./kit/try-set.ts";

const SETS = 3;
const SUBJECTS_EACH = 70;

let lab: Laboratory;
beforeAll(async () => {
  lab = await openLaboratory();
});
afterAll(() => lab?.[Symbol.asyncDispose]());

it("`trellis why` says what the server does, for subjects of every kind", async () => {
  const seed = Number(process.env["TRELLIS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  console.info("trellis why", { seed });
  const admin = newKey();
  await lab.platform.admin.rpc.auth.usersCreate({ name: "why-admin", groups: ["admin"] }).orThrow();
  await lab.platform.admin.rpc.auth.usersAddKey({ user: "why-admin", key: admin.text }).orThrow();
  let agreed = 0;
  for (const [at, spec] of fc.sample(contractSets, { seed, numRuns: SETS }).entries()) {
    const { members } = await joinSet(lab, writeSet(spec, `w${at}`), admin);
    // Wildcards are left out: the server lets `a.>` pass for `a.*`, which nobody should be told they may do.
    const subjects = probes(members).filter((subject) => !/[*>]/.test(subject));
    for (const { name, manifest, joined } of members) {
      const sample = fc.sample(fc.constantFrom(...subjects), { seed: seed + at, numRuns: SUBJECTS_EACH });
      const { nc, key, violations } = joined;
      for (const subject of sample) {
        nc.publish(subject, "why");
        for (const queue of [undefined, manifest.id])
          nc.subscribe(subject, { ...(queue === undefined ? {} : { queue }), callback: () => undefined }).unsubscribe();
      }
      await violations.settle();
      for (const subject of new Set(sample)) {
        const told = await lab.platform.admin.rpc.auth.explain({ session: key.text, subject }).orThrow();
        const may = {
          publish: !violations.seen.has(`publish ${subject}`),
          subscribe: [`subscription ${subject}`, `subscription ${subject} ${manifest.id}`].some(
            (line) => !violations.seen.has(line),
          ),
        };
        expect(
          { publish: told.publish, subscribe: told.subscribe },
          `TRELLIS_SEED=${seed}, set ${at}: ${name} and ${subject}: ${told.message}`,
        ).toEqual(may);
        // Whoever may is told why, in a sentence.
        for (const direction of ["publish", "subscribe"] as const)
          if (may[direction])
            expect(told.rules.some((rule) => rule.direction === direction && rule.reason.length > 20)).toBe(true);
        agreed += Number(may.publish) + Number(may.subscribe);
      }
    }
  }
  expect(agreed).toBeGreaterThan(SETS * 10);
});
