import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  type Authenticator,
  headers,
  type MsgHdrs,
  type NatsConnection,
  PermissionViolationError,
  type Subscription,
} from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { contractDigest, type Manifest } from "@trellis/contracts";
import {
  BOOTSTRAP_PATHS,
  type BootstrapAnswer,
  type BootstrapReady,
  bootstrapDigest,
  connectTokenDigests,
  encodeConnectToken,
  enrolDigest,
  inboxPrefix,
  randomToken,
} from "@trellis/protocol";
import { eventually } from "./eventually.ts";

/** An Ed25519 key in the hands of somebody who may do with it what they like. */
export interface RawKey {
  readonly text: string;
  sign(digest: Uint8Array): string;
}

export function newKey(): RawKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return rawKey(privateKey, publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64url"));
}

function rawKey(privateKey: KeyObject, text: string): RawKey {
  return { text, sign: (digest) => sign(null, digest, privateKey).toString("base64url") };
}

export interface RawIdentity {
  readonly key: RawKey;
  readonly manifest: Manifest;
  /** Absent for services; a registered user key for agents. */
  readonly userKey?: RawKey;
}

/** The body of a bootstrap request. */
export function bootstrapBody({ key, manifest, userKey }: RawIdentity): { readonly [member: string]: unknown } {
  const iat = Math.floor(Date.now() / 1000);
  const digest = contractDigest(manifest);
  return {
    v: 1,
    sessionKey: key.text,
    contractDigest: digest,
    iat,
    sig: key.sign(bootstrapDigest(iat, digest)),
    manifest,
    ...(userKey ? { enrol: { key: userKey.text, sig: userKey.sign(enrolDigest(key.text, digest, iat)) } } : {}),
  };
}

export async function askBootstrap(url: string, identity: RawIdentity): Promise<BootstrapAnswer> {
  const kind = identity.userKey ? "agent" : "service";
  const response = await fetch(url + BOOTSTRAP_PATHS[kind], {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(bootstrapBody(identity)),
  });
  const answer: BootstrapAnswer = JSON.parse(await response.text());
  return answer;
}

/** Asks until the platform is ready for this participant; a refusal fails at once with its words. */
export async function bootstrapReady(url: string, identity: RawIdentity): Promise<BootstrapReady> {
  let last: BootstrapAnswer | undefined;
  return eventually(
    async () => {
      last = await askBootstrap(url, identity);
      if (last.status === "refused")
        throw new Error(`${identity.manifest.id} is refused: ${last.reason}: ${last.message}`);
      return last.status === "ready" ? last : undefined;
    },
    { what: () => `${identity.manifest.id} still waits: ${last?.status === "waiting" ? last.message : "no answer"}` },
  );
}

export interface ConnectOptions {
  readonly server?: string;
  /** Changes what is presented, before it is sent. */
  readonly present?: (
    credentials: { auth_token: string; sig: string },
    nonce: string,
  ) => { auth_token: string; sig?: string };
  readonly digest?: string;
}

/** A raw connection with the participant's own key and token: everything else is up to the test. */
export async function connectRaw(
  identity: RawIdentity,
  servers: readonly string[],
  options: ConnectOptions = {},
): Promise<NatsConnection> {
  const { key } = identity;
  const digest = options.digest ?? contractDigest(identity.manifest);
  const authenticator: Authenticator = (nonce = "") => {
    const iat = Math.floor(Date.now() / 1000);
    const digests = connectTokenDigests({ iat, contractDigest: digest, nonce });
    const nonceSig = key.sign(digests.nonceSig);
    const token = encodeConnectToken({
      v: 1,
      sessionKey: key.text,
      contractDigest: digest,
      iat,
      sig: key.sign(digests.sig),
      nonceSig,
    });
    const credentials = { auth_token: token, sig: nonceSig };
    return { sig: nonceSig, ...(options.present?.(credentials, nonce) ?? credentials) };
  };
  return connect({
    servers: options.server ?? [...servers],
    authenticator,
    inboxPrefix: inboxPrefix(key.text),
    reconnect: false,
    timeout: 15_000,
    noAsyncTraces: true,
  });
}

/** What the server said no to, by operation and subject. */
export class Violations {
  readonly seen = new Set<string>();
  readonly #nc: NatsConnection;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
    void this.#listen();
  }

  /** Sends something that is surely refused and waits for that: everything sent before has been judged by then. */
  async settle(): Promise<void> {
    const mark = `security.mark.${randomToken(12)}`;
    this.#nc.publish(mark);
    await this.#nc.flush();
    await eventually(() => this.seen.has(`publish ${mark}`) || undefined, { what: () => `no verdict on ${mark}` });
  }

  async #listen(): Promise<void> {
    for await (const status of this.#nc.status()) {
      if (status.type === "error" && status.error instanceof PermissionViolationError) {
        const { operation, subject, queue } = status.error;
        this.seen.add(`${operation} ${subject}${queue ? ` ${queue}` : ""}`);
      }
    }
  }
}

/** An answer as it came. */
export interface RawAnswer {
  readonly subject: string;
  readonly reply: string | undefined;
  readonly headers: MsgHdrs | undefined;
  readonly data: Uint8Array;
  text(): string;
}

/** Sends one request and gives the first answer that `wanted` takes; an inbox of class `a` unless told. */
export async function ask(
  nc: NatsConnection,
  key: RawKey,
  subject: string,
  body: string | Uint8Array = "",
  options: {
    readonly wanted?: (answer: RawAnswer) => boolean;
    readonly headers?: { readonly [name: string]: string };
    readonly timeoutMs?: number;
  } = {},
): Promise<RawAnswer> {
  const found = await askMany(nc, key, subject, body, { ...options, until: () => true });
  const [answer] = found;
  if (!answer) throw new Error(`nobody answered ${subject}`);
  return answer;
}

/** Every answer up to and with the first that `until` takes. */
export async function askMany(
  nc: NatsConnection,
  key: RawKey,
  subject: string,
  body: string | Uint8Array,
  options: {
    readonly until: (answer: RawAnswer) => boolean;
    readonly wanted?: (answer: RawAnswer) => boolean;
    readonly headers?: { readonly [name: string]: string };
    readonly timeoutMs?: number;
  },
): Promise<readonly RawAnswer[]> {
  const inbox = `${inboxPrefix(key.text)}.a.${randomToken(22)}.${randomToken(12)}`;
  const found: RawAnswer[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const subscription = nc.subscribe(inbox, {
    callback: (_, message) => {
      const answer = {
        subject: message.subject,
        reply: message.reply,
        headers: message.headers,
        data: message.data,
        text: () => message.string(),
      };
      if (options.wanted && !options.wanted(answer)) return;
      found.push(answer);
      if (options.until(answer)) resolve();
    },
  });
  nc.publish(subject, body, { reply: inbox, ...(options.headers ? { headers: natsHeaders(options.headers) } : {}) });
  const late = setTimeout(() => resolve(), options.timeoutMs ?? 10_000);
  await promise;
  clearTimeout(late);
  subscription.unsubscribe();
  return found;
}

export function natsHeaders(values: { readonly [name: string]: string | readonly string[] }): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(values)) for (const one of [value].flat()) made.append(name, one);
  return made;
}

export type { Subscription };
