import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import { nodeConnect } from "@trellis/client/node";
import { defineServiceContract } from "@trellis/contracts";
import type { AnyContract } from "@trellis/contracts";
import { join } from "node:path";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPlatform, type TestPlatform } from "../../src/index.ts";
import { balance, handOver, isReady, spawnControlPlane } from "./kit/control-planes.ts";
import type { ControlPlaneProcess } from "./kit/control-planes.ts";
import { eventually } from "./kit/eventually.ts";
import { codesOf, startLoad } from "./kit/load.ts";
import type { Program } from "../../src/program.ts";
import { QUIET } from "./kit/quiet.ts";
import { boss } from "./kit/work-contract.ts";
import { spawnWorker } from "./kit/workers.ts";

/** A lease lasts ten seconds and the others look for it every two; the rest is for the machine. */
const TAKEOVER_MS = 30_000;
const ADMIN_CALLS = 8;

describe("two replicas of the control plane, one killed", () => {
  let platform: TestPlatform;
  let replicas: ControlPlaneProcess[];
  let worker: Program;
  beforeAll(async () => {
    platform = await startPlatform();
    replicas = await handOver(platform);
    worker = await spawnWorker(platform, { url: replicas[0]?.url ?? "" });
  });
  afterAll(async () => {
    await worker.kill();
    await Promise.all(replicas.map(({ program }) => program.kill()));
    await platform.stop();
  });

  /** Kills one, and starts another for the next test when `use` is through. */
  async function without(victim: ControlPlaneProcess | undefined, use: () => Promise<void>): Promise<void> {
    await victim?.program.kill();
    try {
      await use();
    } finally {
      replicas = [...replicas.filter((replica) => replica !== victim), await spawnControlPlane(platform.local)];
    }
  }

  it("mid-request: the other answers; only requests on the dead one are lost, and calls to services none", async () => {
    await using door = await balance(replicas.map(({ url }) => url));
    const client = await platform.connectClient(boss, { url: door.url, ...QUIET });
    const calls = startLoad((n) => client.rpc.work.do({ n }), { atOnce: 4, pauseMs: 5 });
    const asked = startLoad(() => platform.admin.rpc.trellis.catalog({}, { timeoutMs: 3_000 }), {
      atOnce: ADMIN_CALLS,
    });
    await eventually("both are at work", () => calls.answered > 50 && asked.answered > 50);
    const killedAt = performance.now();
    await without(replicas[0], async () => {
      const before = asked.answered;
      await eventually("the other answers", () => asked.answered > before + 100);
      // New ones are let in as before, whichever address they were given.
      const late = await platform.connectClient(boss, { url: door.url, ...QUIET });
      expect((await late.rpc.work.do({ n: 1 })).ok).toBe(true);
    });
    await Promise.all([calls.stop(), asked.stop()]);
    expect(calls.failures).toEqual([]);
    expect(asked.failures.length).toBeLessThanOrEqual(ADMIN_CALLS);
    expect(["timeout"]).toEqual(expect.arrayContaining([...codesOf(asked.failures)]));
    for (const { startedAt } of asked.failures) expect(startedAt).toBeLessThan(killedAt + 5_000);
  });

  it("mid-plan: each plan and each decision is there whole or not at all, and can be made again", async () => {
    const { auth } = platform.admin.rpc;
    const names = Array.from({ length: 12 }, (_, at) => `planned-${at}`);
    for (const name of names) await auth.deploymentsCreate({ name, mode: "strict" }).orThrow();
    let done = 0;
    const decide = async (name: string): Promise<void> => {
      const { manifest, digest } = storing(name, 1);
      for (;;) {
        // Whatever an unanswered request did or did not do, asking again leads to the same end.
        const current = await auth.deploymentsGet({ deployment: name }, { timeoutMs: 2_000 });
        if (current.ok && current.value.desiredDigest === digest) break;
        const proposed = await auth.authorityPlan({ deployment: name, manifest }, { timeoutMs: 2_000 });
        if (!proposed.ok || proposed.value.plan === undefined) continue;
        const { plan } = proposed.value;
        expect(plan.toDigest).toBe(digest);
        expect(plan.changes.length).toBeGreaterThan(0);
        await auth.authorityAccept({ plan: plan.id }, { timeoutMs: 2_000 });
      }
      done += 1;
    };
    const deciding = Promise.all(names.map(decide));
    await eventually("some are decided", () => done >= 1);
    await without(replicas[0], async () => {
      await deciding;
      for (const name of names) {
        const deployment = await eventually(
          `${name} is ready`,
          async () => {
            const found = await auth.deploymentsGet({ deployment: name }, { timeoutMs: 2_000 });
            return found.ok && found.value.reconcile.state === "ready" && found.value;
          },
          TAKEOVER_MS,
        );
        expect(deployment.materializedDigest).toBe(deployment.desiredDigest);
        expect(deployment.pendingPlans).toEqual([]);
        const { plans } = await auth.authorityList({ deployment: name }).orThrow();
        expect(plans.map(({ status }) => status).filter((status) => status === "accepted")).toHaveLength(1);
        expect(deployment.version).toBe(1);
      }
    });
  });

  it("mid-reconcile: the other takes the lease and finishes", async () => {
    const { auth } = platform.admin.rpc;
    const leader = await eventually("somebody reconciles", async () => {
      const owner = await leaseOwner(platform);
      return replicas.find(({ origin }) => origin === owner);
    });
    const names = Array.from({ length: 8 }, (_, at) => `stored-${at}`);
    for (const name of names) await auth.deploymentsCreate({ name, mode: "strict" }).orThrow();
    const plans = await Promise.all(
      names.map(async (name) => {
        const { plan } = await auth.authorityPlan({ deployment: name, manifest: storing(name, 6).manifest }).orThrow();
        return plan?.id ?? "";
      }),
    );
    const accepting = Promise.all(plans.map((plan) => auth.authorityAccept({ plan }, { timeoutMs: 2_000 })));
    const unfinished = async () => {
      const states = await Promise.all(
        names.map((deployment) => auth.deploymentsGet({ deployment }, { timeoutMs: 2_000 })),
      );
      return states.filter((state) => !state.ok || state.value.reconcile.state !== "ready").length;
    };
    await accepting;
    await without(leader, async () => {
      const killedAt = performance.now();
      // Those it was asked to accept in its last moment may have to be accepted again.
      await Promise.all(plans.map((plan) => auth.authorityAccept({ plan }, { timeoutMs: 2_000 })));
      const left = await unfinished();
      await eventually("everything is there", async () => (await unfinished()) === 0, TAKEOVER_MS);
      console.log(
        `${left} of ${names.length} were left; finished ${Math.round(performance.now() - killedAt)} ms after the kill.`,
      );
      const owner = await eventually(
        "another one reconciles",
        async () => {
          const now = await leaseOwner(platform);
          return now !== leader.origin && now;
        },
        TAKEOVER_MS,
      );
      expect(replicas.map(({ origin }) => origin)).toContain(owner);
    });
    await Promise.all(replicas.map(({ url }) => eventually("it is ready", () => isReady(url))));
  });
});

/** A contract with buckets to make. */
function storing(name: string, buckets: number): AnyContract {
  const Value = Type.Object({ v: Type.String() });
  return defineServiceContract({ schemas: { Value } }, (ref) => ({
    id: `${name}@v1`,
    displayName: name,
    description: "Keeps something.",
    resources: {
      kv: Object.fromEntries(
        Array.from({ length: buckets }, (_, at) => [
          `bucket${at}`,
          { purpose: "Keeps something.", schema: ref.schema("Value") },
        ]),
      ),
    },
  }));
}

/** Who holds the lease of reconciliation, as the stream says. */
async function leaseOwner(platform: TestPlatform): Promise<string | undefined> {
  const keys = await loadControlPlaneKeys(join(platform.local.directory, "operator"));
  const nc = await nodeConnect({
    servers: [...platform.local.nats.servers],
    authenticator: directAuthenticator(createDirectUser(keys, "DATA", { name: "test" })),
  });
  try {
    const answer = await nc.request(
      "$JS.API.STREAM.MSG.GET.LEASES",
      JSON.stringify({ last_by_subj: "leases.reconcile" }),
    );
    const { message } = answer.json<{ message?: { data?: string } }>();
    if (message?.data === undefined) return undefined;
    const lease: unknown = JSON.parse(Buffer.from(message.data, "base64").toString());
    return typeof lease === "object" && lease !== null && "owner" in lease ? String(lease.owner) : undefined;
  } finally {
    await nc.close();
  }
}
