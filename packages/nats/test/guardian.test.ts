import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findNatsServer, openOperatorBundle, startNats } from "../src/index.ts";
import { eventually } from "./live.ts";

let directory: string;
const strays = new Set<number>();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "trellis-nats-test-"));
});

afterEach(async () => {
  for (const pid of strays) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  strays.clear();
  await rm(directory, { recursive: true, force: true });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function startParent(...extra: readonly string[]) {
  const parent = spawn(process.execPath, [join(import.meta.dirname, "orphan-parent.ts"), directory, ...extra], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(parent, "exit");
  if (parent.pid !== undefined) strays.add(parent.pid);
  const [line] = await once(parent.stdout, "data");
  const { pids } = JSON.parse(String(line)) as { pids: number[] };
  for (const pid of pids) strays.add(pid);
  return { parent, pids, exited };
}

it.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)("no server outlives a parent ended by %s", async (signal) => {
  const { parent, pids, exited } = await startParent("stay");
  expect(pids.map(isAlive)).toEqual([true]);
  parent.kill(signal);
  await exited;
  await eventually(() => (pids.some(isAlive) ? undefined : true), 3_000);
});

it("no server outlives a parent that is killed while its server is frozen", async () => {
  const { parent, pids, exited } = await startParent("stay");
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  parent.kill("SIGKILL");
  await exited;
  await eventually(() => (pids.some(isAlive) ? undefined : true), 3_000);
});

it("does not keep alive a parent that has nothing else to do", async () => {
  const { pids, exited } = await startParent();
  expect(await exited).toEqual([0, null]);
  await eventually(() => (pids.some(isAlive) ? undefined : true), 3_000);
});

it("starts again at once on the directory of a parent that was just killed, and keeps the keys", async () => {
  const { parent, exited } = await startParent("stay");
  const keys = await readFile(join(directory, "keys", "server.json"), "utf8");
  parent.kill("SIGKILL");
  await exited;
  const { server } = await openOperatorBundle(join(directory, "keys"));
  const nats = await startNats({ binary: await findNatsServer(), directory, operator: server });
  await nats.stop({ signal: "SIGKILL" });
  expect(await readFile(join(directory, "keys", "server.json"), "utf8")).toBe(keys);
});

it("refuses a second server on the directory of a running one", async () => {
  const { pids } = await startParent("stay");
  const { server } = await openOperatorBundle(join(directory, "keys"));
  const second = startNats({ binary: await findNatsServer(), directory, operator: server });
  await expect(second).rejects.toThrow(`process ${pids[0]}) already runs on`);
  expect(pids.map(isAlive)).toEqual([true]);
});
