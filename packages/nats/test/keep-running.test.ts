import { afterEach, beforeEach, expect, it } from "vitest";
import { keepRunning } from "../src/index.ts";
import { eventually, type Live, startLive } from "./live.ts";

let live: Live;
let news: string[];

beforeEach(async () => {
  live = await startLive();
  news = [];
});
afterEach(() => live.close());

function onlyNode() {
  const [node] = live.nats.nodes;
  if (node === undefined) throw new Error("a server was started");
  return node;
}

/** Somebody else ends the server. */
function killFromOutside(): void {
  const { pid } = onlyNode();
  if (pid === undefined) throw new Error("the server runs");
  process.kill(pid, "SIGKILL");
}

it("a server killed by somebody else is started again on its ports, each time, and both is said", async () => {
  await using _ = keepRunning(live.nats, { onNews: (text) => news.push(text) });
  const connection = await live.connect("SYS", undefined, { maxReconnectAttempts: -1, reconnectTimeWait: 20 });
  for (const times of [1, 2]) {
    const { pid } = onlyNode();
    killFromOutside();
    await eventually(() => (news.length === times * 2 ? true : undefined), 20_000);
    expect(news.slice(-2)).toEqual([
      `nats-server n1 ended by itself; starting it again. Its log: ${onlyNode().logFile}`,
      "nats-server n1 runs again.",
    ]);
    expect(onlyNode().pid).not.toBe(pid);
    await eventually(
      () =>
        connection.flush().then(
          () => true,
          () => undefined,
        ),
      10_000,
    );
  }
});

it("a server that was stopped stays so", async () => {
  const keeping = keepRunning(live.nats, { onNews: (text) => news.push(text) });
  await onlyNode().kill("SIGKILL");
  await onlyNode().restart();
  await keeping[Symbol.asyncDispose]();
  killFromOutside();
  await eventually(() => (onlyNode().running ? undefined : true));
  expect(news).toEqual([]);
});
