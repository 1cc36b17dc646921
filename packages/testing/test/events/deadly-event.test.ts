import { type ChildProcess, fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadOrCreateSeedFile, nodeSessionKey } from "@trellis/auth/node";
import { expect, it } from "vitest";
import { startPlatform } from "../../src/index.ts";
import { SILENT_LOG } from "@trellis/server/node";
import { counting } from "./counter-contracts.ts";
import { newCounter, newDesk, oldCounter, oldDesk, shop } from "./contracts.ts";
import { eventually } from "./eventually.ts";

it("an event that kills whoever handles it becomes a dead letter, and those beside it are handled", async () => {
  await using platform = await startPlatform();
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "trellis-fragile-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const [seedFile, ledger] = [join(directory, "seed"), join(directory, "ledger")];
  const { publicKey } = nodeSessionKey(loadOrCreateSeedFile(seedFile).seed);
  const name = "fragile-counter";
  await platform.admin.rpc.auth.deploymentsCreate({ name, mode: "mutable-dev" }).orThrow();
  await platform.admin.rpc.auth.instancesProvision({ deployment: name, sessionKey: publicKey }).orThrow();
  const source = await platform.connectService(counting, { name: "counting" });
  await source.start();
  const keys = ["a", "b", "c", "deadly", ...Array.from({ length: 20 }, (_, n) => `after ${n}`)];
  for (const key of keys) await source.event.counting.counted.publish({ key, n: 0 }).orThrow();

  let deaths = 0;
  let child: ChildProcess | undefined;
  const start = (): void => {
    child = fork(join(import.meta.dirname, "fragile-process.ts"), [platform.url, seedFile, ledger], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child.once("exit", () => {
      deaths += 1;
      start();
    });
  };
  start();
  stack.defer(() => {
    child?.removeAllListeners("exit");
    child?.kill("SIGKILL");
  });

  const innocent = keys.filter((key) => key !== "deadly");
  await eventually(() => {
    const handled = new Set(existsSync(ledger) ? readFileSync(ledger, "utf8").split("\n").filter(Boolean) : []);
    expect([...handled].sort()).toEqual([...innocent].sort());
  }, 60_000);
  const dead = await platform.admin.rpc.trellis.eventsDeadLettersList({ deployment: name }).orThrow();
  expect(dead.deadLetters.map(({ subject }) => subject)).toEqual(["events.v1.Counting.Counted.deadly"]);
  expect(deaths).toBe(2);
}, 90_000);

it("an event that only a newer replica knows waits for it, however long that takes", async () => {
  await using platform = await startPlatform();
  await using seller = await platform.connectService(shop, { name: "shop" });
  await seller.start();
  await using older = await platform.connectService(oldDesk, { name: "desk", log: SILENT_LOG });
  const handled: string[] = [];
  older.handle.events.parcels(({ event }) => void handled.push(event.id));
  await older.start();
  await seller.event.shop.ordered.publish({ id: "known", status: "placed", n: 0 }).orThrow();
  await eventually(() => expect(handled).toEqual(["known"]));

  await using newer = await platform.connectService(newDesk, { name: "desk", log: SILENT_LOG });
  newer.handle.events.parcels((context) => {
    if (context.name === "Shop.Noted") handled.push(context.event.text);
  });
  await newer.start();
  await seller.event.shop.noted.publish({ text: "unknown" }).orThrow();
  // It would have been given back, and have come again, as often as anything may come.
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  await seller.event.shop.ordered.publish({ id: "beside it", status: "placed", n: 0 }).orThrow();
  await eventually(() => expect(handled).toEqual(["known", "beside it"]));
  await older.stop();
  await eventually(() => expect(handled).toEqual(["known", "beside it", "unknown"]));
}, 60_000);

it("an event that nobody here knows is no dead letter either where one is out at a time", async () => {
  await using platform = await startPlatform();
  await using seller = await platform.connectService(shop, { name: "shop" });
  await seller.start();
  await using older = await platform.connectService(oldCounter, { name: "counter", log: SILENT_LOG });
  older.handle.events.parcels(() => undefined);
  await older.start();
  // Its contract is in force, and it does not serve yet.
  await using _newer = await platform.connectService(newCounter, { name: "counter", log: SILENT_LOG });
  await seller.event.shop.noted.publish({ text: "unknown" }).orThrow();
  await new Promise((resolve) => setTimeout(resolve, 7_000));
  const dead = await platform.admin.rpc.trellis.eventsDeadLettersList({ deployment: "counter" }).orThrow();
  expect(dead.deadLetters).toEqual([]);
  const { groups } = await platform.admin.rpc.trellis.eventsGroupsList({ deployment: "counter" }).orThrow();
  expect(groups.map(({ inFlight }) => inFlight)).toEqual([1]);
}, 60_000);
