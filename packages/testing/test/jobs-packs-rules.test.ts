import { setTimeout as wait } from "node:timers/promises";
import { ok } from "@trellis/result";
import type { Link } from "@trellis/client/internal";
import { JobJournal, packOf } from "@trellis/jobs/internal";
import { SILENT_LOG } from "@trellis/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claimJob } from "../../jobs/src/job-claim.ts";
import { queuesOf } from "../../jobs/src/queue-facts.ts";
import { linkByHand } from "../../server/test/link-by-hand.ts";
import { startPlatform, type TestPlatform } from "../src/index.ts";
import { works } from "./jobs/contract.ts";
import { connectData } from "./jobs/direct.ts";
import { endsOf, storedRecords } from "./jobs/stored-jobs.ts";
import { warmUp } from "./jobs/warm-up.ts";

/** A worker whose reads are answered by a server that has nothing of this job yet, so many times. */
function laggingLink(inner: Link, id: string, reads: number): Link {
  let left = reads;
  const request: Link["request"] = (subject, data, options) =>
    subject.startsWith("$JS.API.DIRECT.GET.") && subject.includes(`.${id}.`) && (left -= 1) >= 0
      ? inner.request(subject.replace(id, "not-stored"), data, options)
      : inner.request(subject, data, options);
  return new Proxy(inner, {
    get(target, name): unknown {
      if (name === "request") return request;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("a job of a pack that is in the hands of a worker", () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform.stop());

  /** Four jobs: the first is completed, the second has failed, the others run until the gate opens. */
  async function inTheMiddle() {
    const gate = Promise.withResolvers<void>();
    const service = await platform.connectService(works, { log: SILENT_LOG });
    let left = 2;
    const through = Promise.withResolvers<void>();
    service.handle.job.steady(async ({ payload, job }) => {
      if (payload.text === "fail") job.fail("it was asked to");
      if (payload.text === "wait") {
        await gate.promise;
        if ((left -= 1) === 0) through.resolve();
      }
      return ok({ n: payload.n, worker: "the first" });
    });
    await service.start();
    const { steady } = service.jobs;
    await warmUp(steady, { n: 0 });
    const texts = ["", "fail", "wait", "wait"];
    const { jobs } = await steady.createMany(texts.map((text, n) => ({ n, text }))).orThrow();
    const [done, failed, running] = jobs;
    if (done === undefined || failed === undefined || running === undefined) return expect.fail();
    await Promise.all([done, failed].map((job) => job.wait({ timeoutMs: 15_000 })));
    const inner = await linkByHand(platform);
    const journalOn = (link: Link): JobJournal => new JobJournal({ link, service: service.name, queue: "steady" });
    const pack = packOf(done.id)?.pack ?? expect.fail();
    const created = (await journalOn(inner).last(done.id, "created")) ?? expect.fail();
    const { claim } = (await journalOn(inner).ofPack(pack, 0))?.body ?? expect.fail();
    /** What another worker is told that was handed this job by itself. */
    const claimBy = (id: string, link = inner) =>
      claimJob({
        journal: journalOn(link),
        facts: queuesOf(works.manifest).get("steady") ?? expect.fail(),
        job: { id, context: { requestId: id }, payload: null },
        item: { life: created.sequence, after: claim },
        claim: "the second",
        worker: "the second",
        nowMs: Date.now,
        signal: new AbortController().signal,
        takeLastAttempt: () => true,
      });
    const openGate = async (): Promise<void> => {
      gate.resolve();
      await through.promise;
    };
    const close = async (): Promise<void> => {
      gate.resolve();
      await inner.close();
      await service.stop();
    };
    return {
      jobs: { done, failed, running },
      inner,
      journal: journalOn(inner),
      claimBy,
      openGate,
      [Symbol.asyncDispose]: close,
    };
  }

  it("is not completed with its pack once another has claimed it", async () => {
    await using middle = await inTheMiddle();
    const { done, running } = middle.jobs;
    expect(await middle.claimBy(running.id)).toMatchObject({ kind: "ours", held: { attempt: 2 } });
    expect(await middle.claimBy(done.id)).toEqual({ kind: "ended" });
    await middle.openGate();
    // The other one that ran with it ends by itself.
    const last = running.id.replace(/-2$/, "-3");
    await using data = await connectData(platform);
    await expect
      .poll(
        async () =>
          endsOf(await storedRecords(data))
            .get(last)
            ?.map(({ inPack }) => inPack),
        { timeout: 5_000 },
      )
      .toEqual([false]);
    expect(endsOf(await storedRecords(data)).get(running.id)).toEqual([]);
  });

  it("is not claimed after its end, although nothing of that can be read yet", async () => {
    await using middle = await inTheMiddle();
    const { id } = middle.jobs.failed;
    expect(await middle.claimBy(id, laggingLink(middle.inner, id, 2))).toEqual({ kind: "ended" });
  });

  it("is not ended under a claim that another one followed, although the stream has forgotten what followed it", async () => {
    await using middle = await inTheMiddle();
    const { id } = middle.jobs.running;
    // Which splits the pack.
    await middle.claimBy(id.replace(/-2$/, "-3"));
    const claim = { id, context: { requestId: id }, claim: "the second", attempt: 2, worker: "the second" };
    // Without a message id, as after the two minutes for which the stream keeps those.
    await middle.journal.append("started", claim, { expect: { event: "started", sequence: 0 } });
    await middle.openGate();
    await wait(300);
    await using data = await connectData(platform);
    expect(endsOf(await storedRecords(data)).get(id)).toEqual([]);
  });
});
