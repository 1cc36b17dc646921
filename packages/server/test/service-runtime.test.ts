import type { NatsConnection } from "@nats-io/nats-core";
import { nodeCrypto } from "@trellis/auth/node";
import type { Link } from "@trellis/client/internal";
import { encodeAuthChange, newReplySubject, TRELLIS_SUBJECTS } from "@trellis/protocol";
import type { AuthChange } from "@trellis/protocol";
import { AsyncResult, err, ok } from "@trellis/result";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createServiceRuntime, SILENT_LOG } from "../src/internal.ts";
import type { Log, LogFields, ServiceLimits, ServiceRuntime } from "../src/internal.ts";
import { Missing, testContract, Undeclared } from "./contract.ts";
import { call, newSession, openCaller, openLink, TestAuthority, until } from "./kit.ts";
import type { TestSession } from "./kit.ts";
import { startPlainServer } from "./nats-server.ts";
import type { PlainServer } from "./nats-server.ts";

const ECHO = "rpc.v1.Test.Echo";
const SLOW = "rpc.v1.Test.Slow.Work";
/** How long "nothing comes back" is watched. */
const QUIET_MS = 300;

type Shape = NonNullable<(typeof testContract)["~shape"]>;

let server: PlainServer;
let caller: NatsConnection;
let authority: TestAuthority;
let ada: TestSession;
let cleanups: (() => Promise<void> | void)[] = [];

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

function recordingLog(lines: Line[], base: LogFields = {}): Log {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ level, message, fields: { ...base, ...fields } });
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (fields) => recordingLog(lines, { ...base, ...fields }),
  };
}

interface Served {
  readonly runtime: ServiceRuntime<Shape>;
  readonly link: Link;
}

interface ServeOptions {
  readonly limits?: Partial<ServiceLimits>;
  readonly log?: Log;
  readonly register?: (runtime: ServiceRuntime<Shape>) => void;
  readonly followChanges?: boolean;
}

async function serve(options: ServeOptions = {}): Promise<Served> {
  const session = newSession();
  const link = await openLink(server.url, session);
  const runtime = createServiceRuntime({
    contract: testContract,
    link,
    authority,
    crypto: nodeCrypto,
    serviceName: "test",
    instanceId: session.key.slice(0, 12),
    limits: options.limits ?? {},
    log: options.log ?? SILENT_LOG,
    followChanges: options.followChanges ?? true,
  });
  if (options.register === undefined) registerEcho(runtime);
  else options.register(runtime);
  await runtime.start();
  cleanups.push(async () => {
    runtime.close();
    await link.close();
  });
  return { runtime, link };
}

function registerEcho(runtime: ServiceRuntime<Shape>): void {
  runtime.handle.rpc.test.echo(({ input }) => ok({ text: input.text }));
  runtime.handle.rpc.test.slowWork(() => ok({}));
}

function announce(change: Partial<AuthChange>): void {
  caller.publish(
    TRELLIS_SUBJECTS.authChanges,
    encodeAuthChange({ kind: "change", origin: "test", previous: 10, revision: 11, epoch: "e", ...change }),
  );
}

/** Beats as the control plane does, so that silence is not what a test sees. */
function beatUntilEnd(revision = 10): void {
  announce({ kind: "beat", previous: revision, revision });
  const timer = setInterval(() => announce({ kind: "beat", previous: revision, revision }), 500);
  cleanups.push(() => clearInterval(timer));
}

beforeAll(async () => {
  server = await startPlainServer();
  // A replay window accepts nothing that was signed in the second this process began.
  await until(() => Math.floor(Date.now() / 1_000) > Math.floor(performance.timeOrigin / 1_000));
});
afterAll(async () => server.stop());
beforeEach(async () => {
  authority = new TestAuthority();
  ada = newSession();
  authority.know(ada);
  caller = await openCaller(server.url);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  await caller.close();
});

describe("a call", () => {
  test("is answered", async () => {
    await serve();
    expect(await call(caller, ada, ECHO, { text: "hello" })).toEqual({ status: "", body: { text: "hello" } });
  });

  test("costs no question to the authority once its session is known", async () => {
    await serve();
    beatUntilEnd();
    await call(caller, ada, ECHO, { text: "first" });
    await until(async () => {
      const before = authority.asked;
      await call(caller, ada, ECHO, { text: "settling" });
      return authority.asked === before;
    });
    const before = authority.asked;
    await Promise.all(Array.from({ length: 500 }, (_, at) => call(caller, ada, ECHO, { text: String(at) })));
    expect(authority.asked).toBe(before);
  });

  test("whose input does not fit is told where", async () => {
    await serve();
    expect(await call(caller, ada, ECHO, { text: 5 })).toMatchObject({
      status: "error",
      body: { type: "ValidationError", issues: [{ path: "/text" }] },
    });
  });

  test("without the capability is refused by name", async () => {
    await serve();
    authority.know(ada, []);
    const answer = await call(caller, ada, ECHO, { text: "x" });
    expect(answer).toMatchObject({ status: "error", body: { type: "AuthError", reason: "insufficient_permissions" } });
    expect(JSON.stringify(answer?.body)).toContain("test::use");
    expect(await call(caller, ada, SLOW, {})).toEqual({ status: "", body: {} });
  });

  test("of an unknown session is refused", async () => {
    await serve();
    expect(await call(caller, newSession(), ECHO, { text: "x" })).toMatchObject({
      status: "error",
      body: { type: "AuthError", reason: "session_not_found" },
    });
  });
});

describe("what a handler does", () => {
  test("declared errors arrive whole, returned or thrown", async () => {
    await serve({
      register({ handle }) {
        handle.rpc.test.echo(async ({ input }) => {
          if (input.text === "throw") throw new Missing({ id: "t" });
          return err(new Missing({ id: "r" }));
        });
        handle.rpc.test.slowWork(() => AsyncResult.ok({}));
      },
    });
    expect(await call(caller, ada, ECHO, { text: "return" })).toMatchObject({
      status: "error",
      body: { type: "Missing", message: "No thing r.", context: { id: "r" } },
    });
    expect(await call(caller, ada, ECHO, { text: "throw" })).toMatchObject({
      status: "error",
      body: { type: "Missing", context: { id: "t" } },
    });
    expect(await call(caller, ada, SLOW, {})).toEqual({ status: "", body: {} });
  });

  test("nothing of what it throws crosses, and the log has it under the id", async () => {
    const lines: Line[] = [];
    await serve({
      log: recordingLog(lines),
      register({ handle }) {
        handle.rpc.test.echo(({ input }) => {
          if (input.text === "undeclared") throw new Undeclared({ secret: "s3cret" });
          throw new TypeError("s3cret in /home/ada/main.ts");
        });
        // A handler that ignores its types.
        handle.rpc.test.slowWork((() => ok("s3cret")) as never);
      },
    });
    for (const [subject, input] of [
      [ECHO, { text: "x" }],
      [ECHO, { text: "undeclared" }],
      [SLOW, {}],
    ] as const) {
      lines.length = 0;
      const answer = await call(caller, ada, subject, input);
      expect(answer).toMatchObject({ status: "error", body: { type: "UnexpectedError" } });
      const text = JSON.stringify(answer?.body);
      expect(text).not.toMatch(/s3cret|home|TypeError|\.ts|stack/);
      const id = String((answer?.body as { id?: unknown } | undefined)?.id);
      expect(lines.filter((line) => line.level === "error" && line.fields["id"] === id)).toHaveLength(1);
    }
  });

  test("a handler that returns no Result fails, in the log", async () => {
    const lines: Line[] = [];
    await serve({
      log: recordingLog(lines),
      register({ handle }) {
        handle.rpc.test.echo((() => undefined) as never);
        handle.rpc.test.slowWork(() => ok({}));
      },
    });
    expect(await call(caller, ada, ECHO, { text: "x" })).toMatchObject({ body: { type: "UnexpectedError" } });
    expect(lines.some((line) => line.message.includes("no Result"))).toBe(true);
  });

  test("it sees its caller, what they may, and how long they wait", async () => {
    let seen: unknown;
    await serve({
      register({ handle }) {
        handle.rpc.test.echo((context) => {
          seen = {
            caller: context.caller.name,
            may: context.may("test::use"),
            not: context.may("other"),
            left: context.remainingMs,
          };
          return ok({ text: "" });
        });
        handle.rpc.test.slowWork(() => ok({}));
      },
    });
    await call(caller, ada, ECHO, { text: "x" }, { deadlineMs: 1_000 });
    expect(seen).toMatchObject({ caller: "Ada", may: true, not: false });
    expect((seen as { left: number }).left).toBeGreaterThan(500);
    expect((seen as { left: number }).left).toBeLessThanOrEqual(1_000);
  });
});

describe("what is not answered at all", () => {
  test("a forged proof, and it asks the authority nothing", async () => {
    const { runtime } = await serve();
    const mallory = newSession();
    expect(await call(caller, ada, ECHO, { text: "x" }, { signer: mallory, waitMs: QUIET_MS })).toBeUndefined();
    expect(runtime.unanswered.forged).toBe(1);
    expect(authority.asked).toBe(0);
  });

  test("a proof for another subject or another payload", async () => {
    const { runtime } = await serve();
    expect(await call(caller, ada, ECHO, { text: "x" }, { signedSubject: SLOW, waitMs: QUIET_MS })).toBeUndefined();
    expect(
      await call(caller, ada, ECHO, { text: "x" }, { signedPayload: '{"text":"y"}', waitMs: QUIET_MS }),
    ).toBeUndefined();
    expect(runtime.unanswered.forged).toBe(2);
  });

  test.each([
    ["another session's inbox", () => newReplySubject(newSession().replyBase)],
    ["a service's subject", () => "rpc.v1.Victim.Delete"],
    ["a bucket", () => "$KV.victim.key"],
    ["the acknowledgement class", () => ada.replyBase.replace(".r.", ".a.") + ".AAAAAAAAAAAA"],
    ["the stream class", () => `${ada.inbox}.s.${"A".repeat(22)}`],
    ["its prefix with another shape", () => `${ada.inbox}.r.short`],
  ])("a reply subject that is %s", async (_, reply) => {
    const { runtime } = await serve();
    expect(await call(caller, ada, ECHO, { text: "x" }, { reply: reply(), waitMs: QUIET_MS })).toBeUndefined();
    expect(runtime.unanswered.foreignReply).toBe(1);
    expect(authority.asked).toBe(0);
  });

  test("an answer JetStream was made to deliver here", async () => {
    await serve();
    expect(
      await call(caller, ada, ECHO, { text: "x" }, { headers: { "Nats-Stream": "EVENTS" }, waitMs: QUIET_MS }),
    ).toBeUndefined();
  });

  test("headers that are missing or malformed", async () => {
    const { runtime } = await serve();
    expect(
      await call(caller, ada, ECHO, { text: "x" }, { headers: { iat: "soon" }, waitMs: QUIET_MS }),
    ).toBeUndefined();
    caller.publish(ECHO, "{}", { reply: newReplySubject(ada.replyBase) });
    await until(() => runtime.unanswered.malformed === 2);
  });
});

describe("freshness and replay", () => {
  test.each([-40, 40])("a request signed %i s from now is refused", async (offset) => {
    await serve();
    expect(
      await call(caller, ada, ECHO, { text: "x" }, { iat: Math.floor(Date.now() / 1_000) + offset }),
    ).toMatchObject({
      body: { type: "AuthError", reason: "iat_out_of_range" },
    });
  });

  test("the same request is accepted once, and a forgery does not use up an id", async () => {
    let handled = 0;
    await serve({
      register({ handle }) {
        handle.rpc.test.echo(({ input }) => ok({ text: `${input.text}${++handled}` }));
        handle.rpc.test.slowWork(() => ok({}));
      },
    });
    const requestId = ada.nextId();
    expect(
      await call(caller, ada, ECHO, { text: "x" }, { requestId, signer: newSession(), waitMs: QUIET_MS }),
    ).toBeUndefined();
    expect(await call(caller, ada, ECHO, { text: "x" }, { requestId })).toEqual({ status: "", body: { text: "x1" } });
    expect(await call(caller, ada, ECHO, { text: "x" }, { requestId })).toMatchObject({
      body: { type: "AuthError", reason: "replayed" },
    });
    expect(handled).toBe(1);
  });
});

describe("revocation", () => {
  test("a revoked session is refused at once, not when its lease ends", async () => {
    await serve();
    beatUntilEnd();
    expect(await call(caller, ada, ECHO, { text: "x" })).toMatchObject({ status: "" });
    authority.sessions.delete(ada.key);
    authority.revision = 11;
    announce({ sessions: [ada.key] });
    await until(async () => (await call(caller, ada, ECHO, { text: "x" }))?.status === "error", 10_000);
    expect(await call(caller, ada, ECHO, { text: "x" })).toMatchObject({ body: { reason: "session_not_found" } });
  });

  test("a missed notice is noticed: the session is asked about again", async () => {
    await serve();
    beatUntilEnd();
    await call(caller, ada, ECHO, { text: "x" });
    authority.sessions.delete(ada.key);
    authority.revision = 20;
    announce({ kind: "beat", previous: 20, revision: 20 });
    await caller.flush();
    expect(await call(caller, ada, ECHO, { text: "x" })).toMatchObject({ body: { reason: "session_not_found" } });
  });

  test("an authority that cannot be reached: known sessions go on, strangers are told to come back", async () => {
    await serve({ followChanges: false });
    await call(caller, ada, ECHO, { text: "x" });
    authority.reachable = false;
    expect(await call(caller, ada, ECHO, { text: "x" })).toMatchObject({ status: "" });
    const stranger = newSession();
    authority.know(stranger);
    expect(await call(caller, stranger, ECHO, { text: "x" })).toMatchObject({
      body: { type: "TransportError", code: "retry_later", retryable: true },
    });
    authority.reachable = true;
    expect(await call(caller, stranger, ECHO, { text: "x" })).toMatchObject({ status: "" });
  });
});

describe("load and time", () => {
  /** A handler that waits to be let go. */
  function gate() {
    const waiting: (() => void)[] = [];
    return {
      waiting,
      wait: () => new Promise<void>((resolve) => waiting.push(resolve)),
      open: () => waiting.splice(0).forEach((go) => go()),
    };
  }

  test("beyond the limit and its queue callers hear it at once", async () => {
    const work = gate();
    const { runtime } = await serve({
      limits: { maxInFlight: 2, maxQueued: 1 },
      register({ handle }) {
        handle.rpc.test.echo(({ input }) => ok(input));
        handle.rpc.test.slowWork(async () => {
          await work.wait();
          return ok({});
        });
      },
    });
    const accepted = [call(caller, ada, SLOW, {}), call(caller, ada, SLOW, {})];
    await until(() => work.waiting.length === 2);
    const more = [call(caller, ada, SLOW, {}), call(caller, ada, SLOW, {})];
    const refused = await Promise.race(more);
    expect(refused).toMatchObject({
      status: "error",
      body: { type: "TransportError", code: "overloaded", retryable: true },
    });
    expect(runtime.inFlight).toBe(2);
    const opening = setInterval(work.open, 5);
    expect(await Promise.all(accepted)).toEqual([
      { status: "", body: {} },
      { status: "", body: {} },
    ]);
    expect(
      (await Promise.all(more)).map((answer) => answer?.status ?? "").toSorted((a, b) => a.localeCompare(b)),
    ).toEqual(["", "error"]);
    clearInterval(opening);
    expect(runtime.inFlight).toBe(0);
  });

  test("at the deadline the signal aborts and nothing is answered after it", async () => {
    let aborted = false;
    await serve({
      register({ handle }) {
        handle.rpc.test.echo(({ input }) => ok(input));
        handle.rpc.test.slowWork(async ({ signal }) => {
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
          aborted = true;
          return ok({});
        });
      },
    });
    const started = performance.now();
    const answer = call(caller, ada, SLOW, {}, { deadlineMs: 100, waitMs: 600 });
    await until(() => aborted);
    expect(performance.now() - started).toBeGreaterThanOrEqual(95);
    expect(await answer).toBeUndefined();
  });

  test("a request that expired while it waited never reaches its handler", async () => {
    const work = gate();
    let handled = 0;
    const { runtime } = await serve({
      limits: { maxInFlight: 1 },
      register({ handle }) {
        handle.rpc.test.echo(({ input }) => {
          handled += 1;
          return ok(input);
        });
        handle.rpc.test.slowWork(async () => {
          await work.wait();
          return ok({});
        });
      },
    });
    const first = call(caller, ada, SLOW, {});
    await until(() => work.waiting.length === 1);
    expect(await call(caller, ada, ECHO, { text: "x" }, { deadlineMs: 50, waitMs: 200 })).toBeUndefined();
    work.open();
    expect(await first).toMatchObject({ status: "" });
    await until(() => runtime.unanswered.expired === 1);
    expect(handled).toBe(0);
  });

  test("a drain finishes what was accepted and takes nothing new", async () => {
    const work = gate();
    const { runtime } = await serve({
      register({ handle }) {
        handle.rpc.test.echo(({ input }) => ok(input));
        handle.rpc.test.slowWork(async () => {
          await work.wait();
          return ok({});
        });
      },
    });
    const accepted = call(caller, ada, SLOW, {});
    await until(() => work.waiting.length === 1);
    let drained = false;
    const drain = runtime.drain().finally(() => (drained = true));
    await until(async () => (await call(caller, ada, ECHO, { text: "x" }, { waitMs: 50 })) === undefined);
    expect(drained).toBe(false);
    work.open();
    expect(await accepted).toEqual({ status: "", body: {} });
    expect(await drain).toEqual({ left: 0 });
  });

  test("a drain that runs out of time aborts, says what is left, and ends", async () => {
    let aborted = false;
    const { runtime } = await serve({
      limits: { drainMs: 100 },
      register({ handle }) {
        handle.rpc.test.echo(({ input }) => ok(input));
        handle.rpc.test.slowWork(({ signal }) => {
          signal.addEventListener("abort", () => (aborted = true));
          return new Promise(() => {});
        });
      },
    });
    void call(caller, ada, SLOW, {}, { waitMs: 500 });
    await until(() => runtime.inFlight === 1);
    expect(await runtime.drain()).toEqual({ left: 1 });
    expect(aborted).toBe(true);
  });

  test("two replicas share the work, and each request is handled once", async () => {
    const counts = [0, 0];
    const register = (replica: number) => ({
      register({ handle }: ServiceRuntime<Shape>) {
        handle.rpc.test.echo(({ input }) => {
          counts[replica] = (counts[replica] ?? 0) + 1;
          return ok(input);
        });
        handle.rpc.test.slowWork(() => ok({}));
      },
    });
    await serve(register(0));
    await serve(register(1));
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) => call(caller, ada, ECHO, { text: String(at) })),
    );
    expect(answers.every((answer) => answer?.status === "")).toBe(true);
    expect((counts[0] ?? 0) + (counts[1] ?? 0)).toBe(200);
    expect(Math.min(...counts)).toBeGreaterThan(20);
  });
});

describe("putting a service together", () => {
  test("a missing handler is named", async () => {
    await expect(serve({ register: ({ handle }) => handle.rpc.test.echo(({ input }) => ok(input)) })).rejects.toThrow(
      /Test\.Slow\.Work.*handle\.rpc\.test\.slowWork/s,
    );
  });

  test("all handlers can be given by name", async () => {
    await serve({
      register: ({ handle }) =>
        handle.all({
          "Test.Echo": ({ input }) => ok({ text: `${input.text}!` }),
          "Test.Slow.Work": async () => ok({}),
        }),
    });
    expect(await call(caller, ada, ECHO, { text: "x" })).toEqual({ status: "", body: { text: "x!" } });
    const unknown = { "Test.Other": () => ok({}) } as never;
    await expect(serve({ register: ({ handle }) => handle.all(unknown) })).rejects.toThrow(/owns no RPC Test\.Other/);
  });

  test("a second handler is refused, and so is a late one", async () => {
    const { runtime } = await serve();
    expect(() => runtime.handle.rpc.test.echo(() => ok({ text: "" }))).toThrow(/too late/);
    await expect(
      serve({
        register({ handle }) {
          handle.rpc.test.echo(({ input }) => ok(input));
          handle.rpc.test.echo(({ input }) => ok(input));
        },
      }),
    ).rejects.toThrow(/Test\.Echo has a handler already/);
  });
});

describe("being seen", () => {
  test("the NATS micro protocol lists it, with contract and figures", async () => {
    await serve();
    await call(caller, ada, ECHO, { text: "x" });
    await call(caller, ada, ECHO, { text: 1 });
    const ping = (await caller.request("$SRV.PING.test")).json();
    expect(ping).toMatchObject({
      type: "io.nats.micro.v1.ping_response",
      name: "test",
      version: "1.0.0",
      metadata: { contract: "test@v1", digest: testContract.digest },
    });
    const { id } = ping as { id: string };
    expect((await caller.request(`$SRV.INFO.test.${id}`)).json()).toMatchObject({
      endpoints: expect.arrayContaining([
        expect.objectContaining({ name: "Test-Echo", subject: ECHO, queue_group: "test@v1" }),
      ]),
    });
    const stats = (await caller.request("$SRV.STATS")).json();
    expect(stats).toMatchObject({
      endpoints: expect.arrayContaining([
        expect.objectContaining({ subject: ECHO, num_requests: 2, num_errors: 1, last_error: "ValidationError" }),
      ]),
    });
  });

  test("heartbeats carry the checks and go away by themselves", async () => {
    const beats: { body: unknown; ttl: string; id: string }[] = [];
    caller.subscribe("events.v1.Health.Heartbeat", {
      callback: (_, message) =>
        void beats.push({
          body: message.json(),
          ttl: message.headers?.get("Nats-TTL") ?? "",
          id: message.headers?.get("Nats-Msg-Id") ?? "",
        }),
    });
    await caller.flush();
    await serve({
      limits: { heartbeatMs: 50 },
      register(runtime) {
        registerEcho(runtime);
        runtime.health.check("database", () => ({ status: "warn", message: "slow" }));
        runtime.health.check("broken", () => {
          throw new Error("no route");
        });
      },
    });
    await until(() => beats.length >= 3);
    expect(beats[0]).toMatchObject({
      ttl: "60s",
      body: {
        service: "test",
        contractId: "test@v1",
        contractDigest: testContract.digest,
        status: "fail",
        checks: [
          { name: "database", status: "warn", message: "slow" },
          { name: "broken", status: "fail", message: "no route" },
        ],
      },
    });
    expect(new Set(beats.map((beat) => beat.id)).size).toBe(beats.length);
    expect(beats[0]?.id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  });
});
