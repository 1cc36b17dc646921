import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { createDirectUser, createOperatorBundle, directAuthenticator, findNatsServer, startNats } from "@trellis/nats";
import type { ManagedNats } from "@trellis/nats";
import { eventWildcard } from "@trellis/contracts";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  compileEventTemplate,
  inboxPrefix,
  isReplyTo,
  LIMITS,
  newInboxOwner,
  newReplySubject,
  parseRequestHeaders,
  randomToken,
  replyBase,
  requestIds,
  writeRequestHeaders,
} from "../src/index.ts";

/** What the codecs promise about subjects and headers, asked of a real server. */
let directory: string;
let server: ManagedNats;
let nats: NatsConnection;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "trellis-protocol-test-"));
  const operator = createOperatorBundle();
  server = await startNats({ binary: await findNatsServer(), directory, operator: operator.server });
  const user = createDirectUser(operator.controlPlane, "DATA", { name: "test", permissions: "everything" });
  nats = await connect({ servers: [...server.servers], authenticator: directAuthenticator(user) });
});

afterAll(async () => {
  await nats?.close();
  await server?.stop({ signal: "SIGKILL" });
  await rm(directory, { recursive: true, force: true });
});

test("any value of a parameter is stored, found by its exact subject and read back", async () => {
  const template = compileEventTemplate("events.v1.Orders.Placed.{/status}");
  const manager = await jetstreamManager(nats);
  await manager.streams.add({ name: "EVENTS", subjects: ["events.>"], storage: "memory", allow_direct: true });
  const stream = jetstream(nats);
  const heard: string[] = [];
  const subscription = nats.subscribe(eventWildcard(template.template), {
    callback: (_error, message) => void heard.push(template.tokens(message.subject)?.[0] ?? "unreadable"),
  });
  const awkward = [
    "",
    "%",
    ".",
    "..",
    "*",
    ">",
    "$SYS",
    "$JS.API",
    " ",
    "\t",
    "\r\n",
    "\0",
    "é",
    "🙂",
    "\ufeff",
    "a.b.>",
    "_INBOX",
    "{{1}}",
  ];
  const values = [...new Set([...awkward, ...fc.sample(fc.string({ unit: "binary", maxLength: 30 }), 200)])];
  for (const value of values) {
    const subject = template.subject({ status: value });
    if (!subject.ok) throw subject.error;
    await stream.publish(subject.value, value);
    const stored = await manager.direct.getMessage("EVENTS", { last_by_subj: subject.value });
    expect(new TextDecoder("utf-8", { ignoreBOM: true }).decode(stored?.data)).toBe(value);
    expect(stored?.subject).toBe(subject.value);
  }
  subscription.unsubscribe();
  expect(heard).toEqual(values);
  expect((await manager.streams.info("EVENTS")).state.num_subjects).toBe(values.length);
});

test("the longest event subject passes", async () => {
  const template = compileEventTemplate("events.v1.Long.{/x}");
  const subject = template.subject({ x: "y".repeat(LIMITS.subjectBytes - "events.v1.Long.".length) });
  if (!subject.ok) throw subject.error;
  expect((await jetstream(nats).publish(subject.value, "")).stream).toBe("EVENTS");
});

test("a signed request arrives with the headers that were written, and its answer where it belongs", async () => {
  const sessionKey = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg";
  const prefix = inboxPrefix(sessionKey);
  const base = replyBase(prefix, "r", newInboxOwner());
  const request = {
    sessionKey,
    proof: "A".repeat(86),
    iat: 1_735_689_700,
    requestId: requestIds().next(),
    deadlineMs: 5_000,
  };
  const service = nats.subscribe("rpc.v1.Orders.Get", {
    callback: (_error, message) => {
      const parsed = parseRequestHeaders(message.headers);
      const isOurs = isReplyTo(prefix, message.reply, "r");
      message.respond(JSON.stringify({ isOurs, parsed: parsed.ok ? parsed.value : parsed.error.message }));
    },
  });
  const carrier = headers();
  writeRequestHeaders(carrier, request);
  const answer = new Promise<string>((resolve) => {
    nats.subscribe(`${base}.*`, { max: 1, callback: (_error, message) => resolve(message.string()) });
  });
  nats.publish("rpc.v1.Orders.Get", "{}", { headers: carrier, reply: newReplySubject(base) });
  expect(JSON.parse(await answer)).toMatchObject({ isOurs: true, parsed: request });
  service.unsubscribe();
});

test("random tokens are tokens for NATS, whatever they begin with", async () => {
  const subject = (token: string): string => `probe.${token}`;
  const tokens = ["-".repeat(22), "_".repeat(22), ...Array.from({ length: 50 }, () => randomToken(22))];
  const heard: string[] = [];
  const subscription = nats.subscribe(subject("*"), {
    callback: (_error, message) => void heard.push(message.subject),
  });
  for (const token of tokens) nats.publish(subject(token));
  await nats.flush();
  subscription.unsubscribe();
  expect(heard).toEqual(tokens.map(subject));
});
