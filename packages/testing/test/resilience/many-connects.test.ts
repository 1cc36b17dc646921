import { ok } from "@trellis/result";
import { expect, test } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { metric } from "./kit/control-planes.ts";
import { boss, work } from "./kit/work-contract.ts";

const MANY = 300;

test(`${MANY} participants that connect in the same instant are all let in, at the first try`, async () => {
  await using platform = await startPlatform();
  const service = await platform.connectService(work);
  service.handle.rpc.work.do(({ input }) => ok({ n: input.n, pid: process.pid }));
  await service.start();
  const notices: string[] = [];
  const began = performance.now();
  const clients = await Promise.all(
    Array.from({ length: MANY }, () => platform.connectClient(boss, { onNotice: (message) => notices.push(message) })),
  );
  const tookMs = performance.now() - began;
  expect(notices).toEqual([]);
  expect(await metric(platform.url, "trellis_callouts_denied_total")).toBe(0);
  expect(await metric(platform.url, "trellis_callouts_dropped_total")).toBe(0);
  const answers = await Promise.all(clients.map((client, n) => client.rpc.work.do({ n }, { timeoutMs: 20_000 })));
  expect(answers.filter((answer) => !answer.ok)).toEqual([]);
  console.log(`${MANY} participants logged in and connected in ${Math.round(tookMs)} ms.`);
}, 180_000);
