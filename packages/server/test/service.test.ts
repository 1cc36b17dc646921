import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { NatsConnection } from "@nats-io/nats-core";
import { nodeCrypto } from "@trellis/auth/node";
import { defineServiceContract } from "@trellis/contracts";
import { ok } from "@trellis/result";
import { Type } from "typebox";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createService, SILENT_LOG } from "../src/internal.ts";
import { nodeTracing } from "../src/node/trace-context.ts";
import { testContract } from "./contract.ts";
import { answerValidate, call, newSession, openCaller, openSession, TestAuthority, until } from "./kit.ts";
import type { TestSession } from "./kit.ts";
import { startPlainServer } from "./nats-server.ts";
import type { PlainServer } from "./nats-server.ts";

/** A service that calls another one. */
const frontContract = defineServiceContract({ schemas: { Text: Type.Object({ text: Type.String() }) } }, (ref) => ({
  id: "front@v1",
  displayName: "Front",
  description: "Asks the test service.",
  uses: { required: { test: testContract.use({ rpc: { call: ["Test.Echo"] } }) } },
  rpc: { "Front.Ask": { version: "v1", input: ref.schema("Text"), output: ref.schema("Text") } },
}));

let server: PlainServer;
let connection: NatsConnection;
let authority: TestAuthority;
let ada: TestSession;
let cleanups: (() => Promise<unknown> | void)[] = [];

const neverStops = () => ({ asked: new Promise<string>(() => {}), forget() {} });

beforeAll(async () => {
  server = await startPlainServer();
  await until(() => Math.floor(Date.now() / 1_000) > Math.floor(performance.timeOrigin / 1_000));
});
afterAll(() => server.stop());
beforeEach(async () => {
  connection = await openCaller(server.url);
  authority = new TestAuthority();
  ada = newSession();
  authority.know(ada);
  answerValidate(connection, authority);
  await connection.flush();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  await connection.close();
});

describe("a service", () => {
  test("asks the control plane about a session over RPC, once", async () => {
    const service = createService({
      contract: testContract,
      name: "test",
      session: await openSession(server.url),
      host: { crypto: nodeCrypto, untilAskedToStop: neverStops },
      deps: { greeting: "hello" },
      log: SILENT_LOG,
    });
    cleanups.push(() => service.stop());
    service.handle.rpc.test.echo(({ input, deps }) => ok({ text: `${deps.greeting} ${input.text}` }));
    service.handle.rpc.test.slowWork(() => ok({}));
    await service.start();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => call(connection, ada, "rpc.v1.Test.Echo", { text: "ada" })),
    );
    expect(
      answers.every((answer) => JSON.stringify(answer) === JSON.stringify({ status: "", body: { text: "hello ada" } })),
    ).toBe(true);
    expect(authority.asked).toBe(1);
    expect(await service.readiness()).toMatchObject({ ready: true, connection: "connected" });
    service.health.check("disk", () => false);
    expect(await service.readiness()).toMatchObject({ ready: false, health: { status: "fail" } });
  });

  test("what its handler calls belongs to the trace of its caller", async () => {
    const session = await openSession(server.url);
    const front = createService({
      contract: frontContract,
      name: "front",
      session,
      host: { crypto: nodeCrypto, untilAskedToStop: neverStops, tracing: nodeTracing() },
      deps: undefined,
      log: SILENT_LOG,
    });
    cleanups.push(() => front.stop());
    front.handle.rpc.front.ask(async ({ input, client }) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return ok(await client.rpc.test.echo(input).orThrow());
    });
    await front.start();
    const seen: string[] = [];
    connection.subscribe("rpc.v1.Test.Echo", {
      callback: (_, message) => {
        seen.push(message.headers?.get("traceparent") ?? "");
        message.respond(message.data);
      },
    });
    await connection.flush();
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    expect(await call(connection, ada, "rpc.v1.Front.Ask", { text: "x" }, { headers: { traceparent } })).toEqual({
      status: "",
      body: { text: "x" },
    });
    expect(await call(connection, ada, "rpc.v1.Front.Ask", { text: "x" })).toMatchObject({ status: "" });
    expect(seen).toEqual([traceparent, ""]);
  });

  test("an error of another service stays inside, unless the contract declares it", async () => {
    const front = createService({
      contract: frontContract,
      name: "front",
      session: await openSession(server.url),
      host: { crypto: nodeCrypto, untilAskedToStop: neverStops },
      deps: undefined,
      log: SILENT_LOG,
    });
    cleanups.push(() => front.stop());
    front.handle.rpc.front.ask(async ({ input, client }) => ok(await client.rpc.test.echo(input).orThrow()));
    await front.start();
    // Nobody serves Test.Echo: what the handler learns is about its own question.
    const answer = await call(connection, ada, "rpc.v1.Front.Ask", { text: "x" });
    expect(answer).toMatchObject({ status: "error", body: { type: "UnexpectedError" } });
    expect(JSON.stringify(answer)).not.toContain("Test.Echo");
  });

  test("run ends with the reason when the platform ends its session", async () => {
    const session = await openSession(server.url);
    const service = createService({
      contract: testContract,
      name: "test",
      session,
      host: { crypto: nodeCrypto, untilAskedToStop: neverStops },
      deps: undefined,
      log: SILENT_LOG,
    });
    service.handle.rpc.test.echo(({ input }) => ok(input));
    service.handle.rpc.test.slowWork(() => ok({}));
    const running = service.run();
    await until(() => session.link.state === "connected");
    session.end.abort(new Error("This session was revoked."));
    await expect(running).rejects.toThrow("revoked");
    expect(session.link.state).toBe("closed");
  });

  test("a lost and regained connection forgets every session and serves on", async () => {
    const own = await startPlainServer();
    let again: PlainServer | undefined;
    const session = await openSession(own.url);
    const service = createService({
      contract: testContract,
      name: "test",
      session,
      host: { crypto: nodeCrypto, untilAskedToStop: neverStops },
      deps: undefined,
      log: SILENT_LOG,
    });
    service.handle.rpc.test.echo(({ input }) => ok(input));
    service.handle.rpc.test.slowWork(() => ok({}));
    await service.start();
    const before = await openCaller(own.url);
    answerValidate(before, authority);
    expect(await call(before, ada, "rpc.v1.Test.Echo", { text: "x" })).toMatchObject({ status: "" });
    expect(authority.asked).toBe(1);
    await before.close();
    await own.stop();
    await until(() => session.link.state === "reconnecting");
    again = await startPlainServer(own.port);
    await until(() => session.link.state === "connected", 20_000);
    const after = await openCaller(again.url);
    answerValidate(after, authority);
    await until(
      async () => (await call(after, ada, "rpc.v1.Test.Echo", { text: "x" }, { waitMs: 500 }))?.status === "",
    );
    expect(authority.asked).toBe(2);
    await after.close();
    await service.stop();
    await again.stop();
  });
});

describe("a process that is asked to stop", () => {
  test("finishes what it accepted, takes nothing new, and ends with 0", async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "serving-process.ts"), server.url], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    cleanups.push(() => void child.kill("SIGKILL"));
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
    await until(() => lines.includes("ready"), 20_000);
    // The first second of a process accepts nothing that may have been signed before it.
    await until(async () => (await call(connection, ada, "rpc.v1.Test.Echo", { text: "x" }))?.status === "");
    const accepted = call(connection, ada, "rpc.v1.Test.Slow.Work", {});
    await until(() => lines.includes("working"));
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    expect(await accepted).toEqual({ status: "", body: {} });
    expect(await exit).toEqual([0, null]);
    expect(lines.at(-1)).toBe("drained");
    expect(await call(connection, ada, "rpc.v1.Test.Echo", { text: "x" }, { waitMs: 200 })).toBeUndefined();
  });
});
