import { setTimeout as wait } from "node:timers/promises";
import type { Link } from "@trellis/client/internal";
import { defineServiceContract } from "@trellis/contracts";
import type { OperationSnapshot } from "@trellis/protocol";
import { startPlatform } from "@trellis/testing";
import type { TestPlatform } from "@trellis/testing";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SILENT_LOG } from "../src/node.ts";
import { OperationChanges } from "../src/operations/operation-changes.ts";
import { OperationJournal } from "../src/operations/operation-journal.ts";
import type { OperationRecord } from "../src/operations/operation-record.ts";
import { standingFor } from "../src/operations/operation-standing.ts";
import { linkByHand } from "./link-by-hand.ts";

const loom = defineServiceContract({ schemas: { Thread: Type.Object({}) } }, (ref) => ({
  id: "loom@v1",
  displayName: "Loom",
  description: "Has operations that tests look at by hand.",
  operations: { "Loom.Weave": { version: "v1", input: ref.schema("Thread"), output: ref.schema("Thread") } },
}));

describe("looking at operations", () => {
  let platform: TestPlatform;
  let link: Link;
  let journal: OperationJournal;
  let made = 0;
  beforeAll(async () => {
    platform = await startPlatform();
    await (await platform.connectService(loom, { log: SILENT_LOG })).stop();
    link = await linkByHand(platform);
    journal = new OperationJournal(link, "loom", {
      stream: "OPS_loom",
      work: { stream: "OPS_WORK_loom", consumer: "loom" },
    });
  });
  afterAll(async () => {
    await link.close();
    await platform.stop();
  });

  const newName = () => ({ operation: "Loom.Weave", id: `loom_weave-${(made += 1)}` });
  const snapshotOf = (id: string): OperationSnapshot => ({
    id,
    service: "loom",
    operation: "Loom.Weave",
    state: "running",
    revision: 2,
    attempt: 1,
    acceptedAt: 1,
    updatedAt: 1,
  });
  const recordOf = (id: string): OperationRecord => ({
    kind: "step",
    claim: "by hand",
    owner: "ada",
    snapshot: snapshotOf(id),
  });

  it("are not said to be unknown before they were looked for again", async () => {
    const name = newName();
    const looking = standingFor(journal, name, "ada");
    await wait(100);
    await journal.append(name, recordOf(name.id), { after: 0 });
    expect((await looking).snapshot.id).toBe(name.id);
    await expect(standingFor(journal, newName(), "ada")).rejects.toMatchObject({ reason: "not_found" });
    await expect(standingFor(journal, name, "eve")).rejects.toMatchObject({ reason: "not_found" });
  });

  it("tells of what was stored before the servers knew that somebody listens, and at once of what is stored here", async () => {
    const changes = new OperationChanges(link, journal);
    try {
      const name = newName();
      const sequence = (await journal.append(name, recordOf(name.id), { after: 0 })) ?? 0;
      const heard: number[] = [];
      const first = new Promise<void>((resolve) => {
        changes.follow(name, (stored) => {
          heard.push(stored.sequence);
          resolve();
        });
      });
      // The next look at everything is ten seconds away.
      await Promise.race([first, wait(5_000)]);
      expect(heard).toEqual([sequence]);
      changes.hear(name, { sequence: sequence + 1, at: 1, record: recordOf(name.id) });
      changes.hear(name, { sequence, at: 1, record: recordOf(name.id) });
      expect(heard).toEqual([sequence, sequence + 1]);
    } finally {
      changes.close();
    }
  });
});
