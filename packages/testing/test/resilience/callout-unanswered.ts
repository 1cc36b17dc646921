import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { handOver, isReady } from "./kit/control-planes.ts";
import { eventually } from "./kit/eventually.ts";
import { QUIET } from "./kit/quiet.ts";
import { boss } from "./kit/work-contract.ts";
import { spawnWorker } from "./kit/workers.ts";

const CLIENTS = 20;

/** Every participant has to reconnect while nobody answers the callout for that long; then all are back. */
export async function reconnectWhileNobodyAnswers(lastsMs: number): Promise<void> {
  await using platform = await startPlatform();
  const replicas = await handOver(platform);
  const [{ url }] = replicas;
  const worker = await spawnWorker(platform, { url });
  try {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => platform.connectClient(boss, { url, ...QUIET })),
    );
    for (const client of clients) await client.rpc.work.do({ n: 1 }).orThrow();

    for (const { program } of replicas) program.send("SIGSTOP");
    const [node] = platform.local.nats.nodes;
    await node?.kill("SIGKILL");
    await node?.restart();
    const frozenAt = performance.now();
    while (performance.now() - frozenAt < lastsMs) {
      await pause(500);
      // Nobody gets in, and nobody gives up.
      expect(new Set(clients.map(({ connection }) => connection.state))).toEqual(new Set(["reconnecting"]));
    }
    const refused = await clients[0]?.rpc.work.do({ n: 2 });
    expect(refused).toMatchObject({ ok: false, error: { code: "disconnected" } });

    for (const { program } of replicas) program.send("SIGCONT");
    const thawedAt = performance.now();
    await eventually("all are back", () => clients.every(({ connection }) => connection.state === "connected"), 60_000);
    const backMs = Math.round(performance.now() - thawedAt);
    await eventually("all are answered", async () => {
      const answers = await Promise.all(clients.map((client) => client.rpc.work.do({ n: 3 })));
      return answers.every(({ ok }) => ok);
    });
    const answeredMs = Math.round(performance.now() - thawedAt);
    console.log(`${CLIENTS} clients connected ${backMs} ms, and were answered ${answeredMs} ms after the callout was.`);
    expect(worker.running).toBe(true);
    for (const replica of replicas) await eventually("the control plane is ready", () => isReady(replica.url));
  } finally {
    await Promise.all([worker.kill(), ...replicas.map(({ program }) => program.kill())]);
  }
}
