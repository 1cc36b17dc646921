import { join } from "node:path";
import type { Link } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import { defineServiceContract } from "@trellis/contracts";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import type { NatsNode } from "@trellis/nats";
import type { OperationSnapshot } from "@trellis/protocol";
import { startPlatform } from "@trellis/testing";
import type { TestPlatform } from "@trellis/testing";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claimOperation } from "../src/operations/operation-claim.ts";
import { OperationJournal } from "../src/operations/operation-journal.ts";
import type { OperationOrigin, OperationRecord } from "../src/operations/operation-record.ts";
import { SILENT_LOG } from "../src/node.ts";
import { startAnswerEater } from "./answer-eater.ts";
import { linkByHand } from "./link-by-hand.ts";

const OPERATION = "Press.Print";
const press = defineServiceContract({ schemas: { Sheet: Type.Object({}) } }, (ref) => ({
  id: "press@v1",
  displayName: "Press",
  description: "Has operations that tests claim by hand.",
  operations: { [OPERATION]: { version: "v1", input: ref.schema("Sheet"), output: ref.schema("Sheet") } },
}));
const BINDING = { stream: "OPS_press", work: { stream: "OPS_WORK_press", consumer: "press" } };
const ACK_WAIT_MS = 10_000;

const origin: OperationOrigin = {
  input: {},
  owner: "ada",
  caller: { type: "user", id: "ada", name: "Ada", sessionKey: "-", contractId: "caller@v1" },
  digest: press.digest,
  retentionMs: 3_600_000,
};

/** What two replicas may do to one operation, without the replicas; over a cluster, where reads may be old. */
describe("claiming an operation", () => {
  let platform: TestPlatform;
  const links: Link[] = [];
  let made = 0;
  const linkTo = async (server: string): Promise<OperationJournal> => {
    const link = await linkByHand(platform, [server]);
    links.push(link);
    return new OperationJournal(link, "press", BINDING);
  };
  const leaderOf = async (stream: string): Promise<string> => {
    const keys = await loadControlPlaneKeys(join(platform.local.directory, "operator"));
    const authenticator = directAuthenticator(createDirectUser(keys, "DATA", { name: "by hand" }));
    const connection = await nodeConnect({ servers: [...platform.local.nats.servers], authenticator });
    const info = await connection.request(`$JS.API.STREAM.INFO.${stream}`);
    await connection.close();
    return info.json<{ cluster: { leader: string } }>().cluster.leader;
  };
  const newName = () => ({ operation: OPERATION, id: `press_${String((made += 1)).padStart(12, "0")}` });
  const record = (
    { id }: { readonly id: string },
    kind: OperationRecord["kind"],
    revision: number,
  ): OperationRecord => {
    const snapshot: OperationSnapshot = {
      id,
      service: "press",
      operation: OPERATION,
      state: "running",
      revision,
      attempt: 1,
      acceptedAt: 1,
      updatedAt: 1,
    };
    return { kind, claim: "by hand", owner: "ada", snapshot, ...(revision === 2 ? { origin } : {}) };
  };
  const claim = (journal: OperationJournal, name: { readonly operation: string; readonly id: string }, nowMs: number) =>
    claimOperation({
      journal,
      name,
      item: { id: name.id },
      claim: "another",
      replica: "another",
      ackWaitMs: ACK_WAIT_MS,
      nowMs: () => nowMs,
      signal: new AbortController().signal,
      unfit: () => Promise.resolve(undefined),
      maxAttempts: 5,
      takeLastAttempt: () => true,
    });

  beforeAll(async () => {
    platform = await startPlatform({ nodes: 3 });
    await (await platform.connectService(press, { log: SILENT_LOG })).stop();
  });
  afterAll(async () => {
    await Promise.all(links.map((link) => link.close()));
    await platform.stop();
  });

  it("sees what was recorded while the server it asks was behind", async () => {
    const { nodes } = platform.local.nats;
    const leader = await leaderOf(BINDING.stream);
    const writer = await linkTo(urlOf(nodes.find(({ name }) => name === leader)));
    const behind = nodes.find(({ name }) => name !== leader);
    const reader = await linkTo(urlOf(behind));
    // Servers that do not lead answer reads only after they have been seen to keep up, for a second or two.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    for (let n = 0; n < 60; n += 1) {
      const name = newName();
      const first = await writer.append(name, record(name, "claimed", 2), { after: 0 });
      await behind?.pause();
      const second = await writer.append(name, record(name, "parked", 3), { after: first ?? 0 });
      const claiming = claim(reader, name, Date.now());
      // Time to reach the server that stands still.
      await new Promise((resolve) => setTimeout(resolve, 5));
      behind?.resume();
      const claimed = await claiming;
      expect(claimed).toMatchObject({ kind: "ours", snapshot: { revision: 4 } });
      expect(claimed.kind === "ours" && claimed.fence).toBeGreaterThan(second ?? Number.POSITIVE_INFINITY);
    }
  });

  it("leaves a young one to its owner, and one from the future says nothing about its age", async () => {
    const journal = await linkTo(urlOf(platform.local.nats.nodes[0]));
    const begun = async () => {
      const name = newName();
      const first = await journal.append(name, record(name, "claimed", 2), { after: 0 });
      await journal.append(name, record(name, "step", 3), { after: first ?? 0 });
      return name;
    };
    expect(await claim(journal, await begun(), Date.now())).toMatchObject({ kind: "later" });
    expect(await claim(journal, await begun(), Date.now() + ACK_WAIT_MS)).toMatchObject({ kind: "ours" });
    // A replica that is ten minutes slow would otherwise wait for ten minutes.
    expect(await claim(journal, await begun(), Date.now() - 600_000)).toMatchObject({ kind: "ours" });
  });

  it("a record whose acknowledgement was lost is stored once and known to be ours", async () => {
    const [node] = platform.local.nats.nodes;
    await using way = await startAnswerEater(node?.ports.client ?? 0);
    const journal = await linkTo(way.url);
    const name = newName();
    way.eat(`"stream":"${BINDING.stream}"`);
    const first = await journal.append(name, record(name, "claimed", 2), { after: 0 });
    expect(way.eaten).toBe(1);
    expect(first).toBeGreaterThan(0);
    expect((await journal.all(name)).map(({ sequence }) => sequence)).toEqual([first]);
    // Somebody else's in its place is no reason to go on.
    const theirs = { ...record(name, "claimed", 3), claim: "theirs" };
    await journal.append(name, theirs, { after: first ?? 0 });
    expect(await journal.append(name, record(name, "step", 3), { after: first ?? 0 })).toBeUndefined();
  });
});

function urlOf(node: NatsNode | undefined): string {
  if (node === undefined) throw new Error("no such server");
  return `nats://127.0.0.1:${node.ports.client}`;
}
