import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineServiceContract } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { TrellisService } from "@trellis/server/node";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT } from "../src/exit-codes.ts";
import { type LocalFolder, startInFolder } from "./local-folder.ts";
import { runCaptured } from "./run-captured.ts";

const Order = Type.Object({ id: Type.String(), status: Type.String() });
const OrderId = Type.Object({ id: Type.String() });
const orders = defineServiceContract({ schemas: { Order, OrderId } }, (ref) => ({
  id: "orders@v1",
  displayName: "Orders",
  description: "Take orders.",
  capabilities: { read: { displayName: "Read orders", description: "See any order." } },
  rpc: {
    "Orders.Get": {
      version: "v1",
      input: ref.schema("OrderId"),
      output: ref.schema("Order"),
      capabilities: { call: ["read"] },
    },
  },
}));
const breaking = defineServiceContract({ schemas: { Order, OrderId } }, (ref) => ({
  id: "orders@v1",
  displayName: "Orders",
  description: "Take orders.",
  rpc: { "Orders.Find": { version: "v1", input: ref.schema("OrderId"), output: ref.schema("Order") } },
}));

let folder: LocalFolder;
let service: TrellisService<typeof orders> | undefined;

beforeAll(async () => {
  folder = await startInFolder();
  writeFileSync(join(folder.cwd, "orders.json"), JSON.stringify(orders.manifest));
  writeFileSync(join(folder.cwd, "breaking.json"), JSON.stringify(breaking.manifest));
});

afterAll(async () => {
  await service?.stop();
  await folder[Symbol.asyncDispose]();
});

const trellis = (...args: string[]) => runCaptured(args, { cwd: folder.cwd });

/** The JSON answer of a command that must succeed. */
async function answer(...args: string[]) {
  const { exitCode, stdout, stderr } = await trellis(...args, "--json");
  expect({ exitCode, stderr }).toEqual({ exitCode: EXIT.ok, stderr: "" });
  return JSON.parse(stdout);
}

test("a strict service from nothing to a call, and to its end", async () => {
  expect((await trellis("svc", "list")).stdout).toContain("No services yet.");

  // A place for it.
  expect(await answer("svc", "create", "orders")).toMatchObject({ name: "orders", mode: "strict", enabled: true });
  const again = await trellis("svc", "create", "orders");
  expect(again.exitCode).toBe(EXIT.refused);
  expect((await trellis("svc", "show", "billing")).exitCode).toBe(EXIT.notFound);

  // A plan, read and accepted.
  const review = await trellis("svc", "plan", "orders", "--source", "orders.json");
  expect(review.stdout).toMatch(/\+ rpc +Orders\.Get/);
  expect(review.stdout).toContain("subscribe rpc.v1.Orders.Get (queue orders@v1)");
  // Whoever has only the service and not its source sees the same.
  expect((await trellis("svc", "show", "orders")).stdout).toContain(review.stdout);
  const [pending] = await answer("svc", "plans", "orders");
  expect((await answer("svc", "show", "orders")).planList).toEqual([pending]);
  expect(review.stdout).toContain(`trellis svc accept ${pending.id}`);
  expect(await answer("svc", "accept", pending.id)).toMatchObject({ status: "accepted" });
  expect((await trellis("svc", "accept", pending.id)).exitCode).toBe(EXIT.refused);
  expect((await trellis("svc", "plan", "orders", "--source", "orders.json")).stdout).toContain("nothing to decide");

  // A key, and the service itself.
  const { sessionKey, keyFile } = await answer(
    "svc",
    "provision",
    "orders",
    "--out",
    "orders.seed",
    "--label",
    "first",
  );
  expect(keyFile).toBe(join(folder.cwd, "orders.seed"));
  service = await TrellisService.connect({
    contract: orders,
    url: folder.platform.url,
    seedFile: keyFile,
    env: {},
    onNotice: () => undefined,
  });
  service.handle.rpc.orders.get(({ input }) => ok({ id: input.id, status: "placed" }));
  await service.start();
  expect((await trellis("svc", "instances", "orders")).stdout).toMatch(
    new RegExp(`orders +first +${sessionKey} +live`),
  );
  expect((await trellis("status")).stdout).toMatch(/orders +orders@v1 +ready +1 of 1/);

  // Called by a person.
  expect(await answer("call", "Orders.Get", '{"id":"o_1"}')).toEqual({ id: "o_1", status: "placed" });
  const piped = await runCaptured(["call", "Orders.Get", "-"], { cwd: folder.cwd, stdin: '{"id":"o_2"}' });
  expect(JSON.parse(piped.stdout)).toEqual({ id: "o_2", status: "placed" });
  expect((await trellis("call", "Orders.Get", "{}")).exitCode).toBe(EXIT.usage);
  expect((await trellis("call", "Orders.Get", "{")).exitCode).toBe(EXIT.usage);
  const mistyped = await trellis("call", "Orders.Gte");
  expect(mistyped.exitCode).toBe(EXIT.notFound);
  expect(mistyped.stderr).toContain('did you mean "Orders.Get"?');

  // Who is in, and why they may.
  const { sessions } = await answer("sessions");
  expect(sessions).toContainEqual(expect.objectContaining({ sessionKey, contractId: "orders@v1", connections: 1 }));
  const why = await trellis("why", "orders", "rpc.v1.Orders.Get");
  expect(why.exitCode).toBe(EXIT.ok);
  expect(why.stdout).toContain("may subscribe to rpc.v1.Orders.Get");
  expect((await trellis("why", "orders", "rpc.v1.Secret.Get")).exitCode).toBe(EXIT.no);

  // A change that breaks callers waits for somebody to say so.
  expect((await trellis("svc", "plan", "orders", "--source", "breaking.json")).stdout).toContain("migration");
  const [migration] = await answer("svc", "plans", "orders");
  expect((await trellis("svc", "accept", migration.id)).exitCode).toBe(EXIT.refused);
  expect(await answer("svc", "reject", migration.id)).toMatchObject({ status: "rejected" });

  // The end of it.
  expect(await answer("svc", "disable", "orders")).toMatchObject({ enabled: false });
  await expect
    .poll(async () => (await trellis("call", "Orders.Get", '{"id":"o_1"}')).exitCode, { timeout: 5_000 })
    .not.toBe(EXIT.ok);
  await service.stop();
  await answer("svc", "plan", "orders", "--source", "breaking.json");
  const [knowingly] = await answer("svc", "plans", "orders");
  expect(await answer("svc", "accept", knowingly.id, "--acknowledge")).toMatchObject({ status: "accepted" });
  expect(await answer("svc", "plans", "orders")).toEqual([]);
  const statuses = (await answer("svc", "plans", "orders", "--all")).map(({ status }: { status: string }) => status);
  expect([...statuses].sort()).toEqual(["accepted", "accepted", "rejected"]);
  expect((await trellis("svc", "remove", "orders")).exitCode).toBe(EXIT.ok);
  expect((await trellis("svc", "show", "orders")).exitCode).toBe(EXIT.notFound);

  // And who decided all that.
  const decided = async () =>
    (await answer("audit", "--target", "orders")).records.map(({ action }: { action: string }) => action);
  await expect
    .poll(decided, { timeout: 5_000 })
    .toEqual(
      expect.arrayContaining([
        "deployment.create",
        "plan.accept",
        "instance.provision",
        "deployment.update",
        "deployment.remove",
      ]),
    );
});

test("people and their keys", async () => {
  await answer("users", "create", "ada", "--group", "admin");
  const { publicKey, file } = await answer("keys", "new", "ada.seed");
  expect(await answer("users", "add-key", "ada", publicKey)).toMatchObject({ name: "ada", keys: [publicKey] });
  expect((await answer("users")).users.map(({ name }: { name: string }) => name)).toEqual(
    expect.arrayContaining(["ada", "developer"]),
  );

  const asAda = await runCaptured(["doctor"], {
    cwd: folder.cwd,
    env: { ...process.env, TRELLIS_USER_KEY_FILE: file },
  });
  expect(asAda.stdout).toContain("accepted as ada");
  expect(asAda.exitCode).toBe(EXIT.ok);

  const { file: unknown } = await answer("keys", "new", "unknown.seed");
  const stranger = { cwd: folder.cwd, env: { ...process.env, TRELLIS_USER_KEY_FILE: unknown } };
  expect((await runCaptured(["svc", "list"], stranger)).exitCode).toBe(EXIT.refused);
  const sick = await runCaptured(["doctor"], stranger);
  expect(sick.exitCode).toBe(EXIT.no);
  expect(sick.stdout).toMatch(/problem +key/);
});

test("commands leave no session behind", async () => {
  const count = async () => (await answer("sessions")).sessions.length;
  const before = await count();
  await answer("status");
  await answer("svc", "list");
  expect(await count()).toBe(before);
});

test("logs are those of every part, in order, the newest last", async () => {
  const { stdout } = await trellis("logs", "--lines", "20", "--json");
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toHaveLength(20);
  expect(lines.map(({ at }) => at)).toEqual(lines.map(({ at }) => at).sort());
  const only = await trellis("logs", "--only", "control-plane", "--lines", "100000");
  expect(only.stdout).toContain("the control plane is ready");
  expect((await trellis("logs", "--only", "mars")).exitCode).toBe(EXIT.notFound);
});
