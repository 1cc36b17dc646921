import { generateKeyPairSync, sign } from "node:crypto";
import { connect } from "@nats-io/transport-node";
import { headers as natsHeaders } from "@nats-io/nats-core";
import type { Msg, NatsConnection } from "@nats-io/nats-core";
import { ServerClock } from "@trellis/auth";
import { createNodeSessionKey, nodeCrypto } from "@trellis/auth/node";
import { connectLink, createRequestSigner } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import { encodeBase64url } from "@trellis/contracts";
import {
  HEADERS,
  inboxPrefix,
  newInboxOwner,
  newReplySubject,
  proofDigest,
  replyBase,
  requestIds,
} from "@trellis/protocol";
import type { Caller, RequestAuthority, ServiceSession, ValidateAnswer, ValidateRequest } from "../src/internal.ts";

/** A session as its owner has it. */
export interface TestSession {
  readonly key: string;
  readonly inbox: string;
  readonly sign: (digest: Uint8Array) => string;
  readonly nextId: () => string;
  readonly replyBase: string;
}

export function newSession(): TestSession {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { x } = publicKey.export({ format: "jwk" });
  if (x === undefined) throw new Error("no public key");
  const ids = requestIds();
  return {
    key: x,
    inbox: inboxPrefix(x),
    sign: (digest) => encodeBase64url(sign(null, digest, privateKey)),
    nextId: () => ids.next(),
    replyBase: replyBase(inboxPrefix(x), "r", newInboxOwner()),
  };
}

/** An authority that lives in the test: it knows sessions, counts questions, and can be taken away. */
export class TestAuthority implements RequestAuthority {
  readonly sessions = new Map<string, { caller: Caller; capabilities: string[] }>();
  asked = 0;
  reachable = true;
  revision = 10;
  leaseMs = 30_000;

  know(session: TestSession, capabilities: string[] = ["test::use"]): void {
    this.sessions.set(session.key, {
      caller: {
        type: "user",
        id: `user-${session.key.slice(0, 4)}`,
        name: "Ada",
        sessionKey: session.key,
        contractId: "caller@v1",
      },
      capabilities,
    });
  }

  async validate(request: ValidateRequest): Promise<ValidateAnswer> {
    this.asked += 1;
    if (!this.reachable) throw new Error("nobody there");
    const known = this.sessions.get(request.sessionKey);
    if (known === undefined)
      return { allowed: false, reason: "session_not_found", revision: this.revision, leaseMs: 0 };
    return {
      allowed: true,
      inboxPrefix: inboxPrefix(request.sessionKey),
      ...known,
      revision: this.revision,
      leaseMs: this.leaseMs,
    };
  }
}

export async function openLink(url: string, session: TestSession): Promise<Link> {
  return connectLink({ connect, inboxPrefix: session.inbox, plan: () => ({ servers: [url] }) });
}

export async function openCaller(url: string): Promise<NatsConnection> {
  return connect({ servers: url, noAsyncTraces: true });
}

/** What a test may get wrong on purpose. */
export interface CallOverrides {
  readonly iat?: number;
  readonly requestId?: string;
  readonly signedSubject?: string;
  readonly signedPayload?: string;
  readonly signer?: TestSession;
  readonly reply?: string;
  readonly deadlineMs?: number;
  readonly waitMs?: number;
  readonly headers?: { readonly [name: string]: string };
}

export interface Answer {
  readonly status: string;
  readonly body: unknown;
}

/** One signed request by hand; resolves with `undefined` when nothing comes back. */
export async function call(
  connection: NatsConnection,
  session: TestSession,
  subject: string,
  input: unknown,
  over: CallOverrides = {},
): Promise<Answer | undefined> {
  const payload = JSON.stringify(input);
  const iat = over.iat ?? Math.floor(Date.now() / 1_000);
  const requestId = over.requestId ?? session.nextId();
  const digest = proofDigest({
    sessionKey: session.key,
    subject: over.signedSubject ?? subject,
    payload: new TextEncoder().encode(over.signedPayload ?? payload),
    iat,
    requestId,
  });
  const headers = natsHeaders();
  headers.set(HEADERS.sessionKey, session.key);
  headers.set(HEADERS.proof, (over.signer ?? session).sign(digest));
  headers.set(HEADERS.iat, String(iat));
  headers.set(HEADERS.requestId, requestId);
  headers.set(HEADERS.deadline, String(over.deadlineMs ?? 5_000));
  for (const [name, value] of Object.entries(over.headers ?? {})) headers.set(name, value);
  const reply = over.reply ?? newReplySubject(session.replyBase);
  return new Promise((resolve) => {
    const done = (message?: Msg): void => {
      clearTimeout(timer);
      if (!connection.isClosed()) subscription.unsubscribe();
      const silent = message === undefined || message.headers?.code === 503;
      resolve(silent ? undefined : { status: message.headers?.get(HEADERS.status) ?? "", body: message.json() });
    };
    const subscription = connection.subscribe(reply, { callback: (_, message) => done(message) });
    const timer = setTimeout(done, over.waitMs ?? 5_000);
    connection.publish(subject, payload, { reply, headers });
  });
}

/** Polls until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A session as a service has it after bootstrap, over a server that lets everybody in. */
export async function openSession(url: string): Promise<ServiceSession & { readonly end: AbortController }> {
  const key = createNodeSessionKey();
  const clock = new ServerClock();
  const link = await connectLink({
    connect,
    inboxPrefix: inboxPrefix(key.publicKey),
    plan: () => ({ servers: [url] }),
  });
  const end = new AbortController();
  return {
    link,
    signer: createRequestSigner({ key, clock, sha256: nodeCrypto.sha256 }),
    clock,
    ended: end.signal,
    refresh: async () => {},
    close: () => link.close(),
    end,
  };
}

/** Stands in for the control plane's one RPC that services call; counts the questions. */
export function answerValidate(connection: NatsConnection, authority: TestAuthority): void {
  connection.subscribe("rpc.v1.Auth.Requests.Validate", {
    queue: "trellis.auth@v1",
    callback: (_, message) => {
      void authority.validate(message.json<ValidateRequest>()).then(
        (answer) => message.respond(JSON.stringify(answer)),
        () => {},
      );
    },
  });
}
