import { bootstrap, connectAuthenticator, ServerClock } from "@trellis/auth";
import type { AuthCrypto, BootstrapError, PostJson, SessionKey } from "@trellis/auth";
import type { Manifest } from "@trellis/contracts";
import { AuthError, parseSessionNotice, sessionNoticeSubject, TransportError } from "@trellis/protocol";
import type { BootstrapReady } from "@trellis/protocol";
import type { Link } from "./link.ts";
import { connectLink } from "./nats-link.ts";
import type { NatsLink } from "./nats-link.ts";
import type { ConnectFunction, ConnectionPlan } from "./nats-wire.ts";
import { pause, reconnectDelayMs } from "./reconnect-delay.ts";
import { createRequestSigner } from "./request-signer.ts";
import type { RequestSigner } from "./request-signer.ts";
import { within } from "./within.ts";

export interface SessionOptions {
  readonly url: string;
  readonly key: SessionKey;
  readonly contract: { readonly id: string; readonly digest: string; readonly manifest: Manifest };
  readonly kind: "service" | "agent";
  readonly crypto: AuthCrypto;
  readonly connect: ConnectFunction;
  /** Which of the platform's addresses this runtime can dial. */
  readonly transport: "tcp" | "websocket";
  /** A registered user key that vouches for a session key of one run. */
  readonly enrol?: SessionKey;
  readonly post?: PostJson;
  /** What is waited for, or has gone wrong and is being tried again: for a person. */
  readonly onNotice?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** One participant's session: its link, its facts and its signature. */
export interface Session {
  readonly link: Link;
  readonly signer: RequestSigner;
  readonly clock: ServerClock;
  readonly sessionKey: string;
  /** The newest answer of the platform: bindings, principal, capabilities. */
  readonly facts: BootstrapReady;
  /** Aborted, with the reason, when the platform ended the session; never for `close`. */
  readonly ended: AbortSignal;
  /** Told when renewed facts differ from those before. */
  onFacts(listener: (facts: BootstrapReady) => void): () => void;
  /** Whether a required use grants nothing at the moment, because its contract is not in force. */
  isInactive(alias: string): boolean;
  /** Corrects the clock by asking the platform again. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** Refused logins and publishes are looked into no more often than this. */
const LOOK_EVERY_MS = 2_000;
/** An outage this long may mean that NATS is elsewhere now; the platform knows. */
const LOOK_ELSEWHERE_MS = 5_000;
/** Then the connection is renewed with the facts there are: what was taken away is waited for no longer than a second. */
const CATCH_UP_MS = 500;
const CATCH_UP_ATTEMPTS = 6;

/** Asks the platform until it is ready, connects, and keeps both true until it is closed or the platform ends it. */
export async function connectSession(options: SessionOptions): Promise<Session> {
  const clock = new ServerClock();
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const facts = await askPlatform(options, clock, signal);
  if (!facts.ok) throw toError(facts.error);
  const session = new PlatformSession(options, clock, facts.value, stop);
  await session.open(signal);
  return session;
}

class PlatformSession implements Session {
  readonly clock: ServerClock;
  readonly signer: RequestSigner;
  readonly sessionKey: string;
  facts: BootstrapReady;
  readonly #options: SessionOptions;
  readonly #stop: AbortController;
  readonly #ended = new AbortController();
  readonly #listeners = new Set<(facts: BootstrapReady) => void>();
  #link: NatsLink | undefined;
  #looking: Promise<void> | undefined;
  #told = "";
  #dialled: readonly string[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SessionOptions, clock: ServerClock, facts: BootstrapReady, stop: AbortController) {
    this.#options = options;
    this.#stop = stop;
    this.clock = clock;
    this.facts = facts;
    this.sessionKey = options.key.publicKey;
    this.signer = createRequestSigner({ key: options.key, clock, sha256: options.crypto.sha256 });
  }

  get link(): NatsLink {
    if (this.#link === undefined) throw new Error("The session is used before it is open.");
    return this.#link;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  async open(signal: AbortSignal): Promise<void> {
    const { connect, contract, onNotice } = this.#options;
    const link = await connectLink({
      connect,
      name: `${contract.id} ${this.facts.principal.name}`,
      inboxPrefix: this.facts.inboxPrefix,
      plan: () => this.#plan(),
      onAuthRefused: () => this.#lookIntoRefusal(),
      ...(onNotice === undefined ? {} : { onTrouble: onNotice }),
      signal,
    }).catch((error: unknown) => {
      throw this.#ended.signal.aborted ? this.#ended.signal.reason : error;
    });
    this.#link = link;
    link.subscribe(sessionNoticeSubject(this.facts.inboxPrefix), {
      onMessage: (message) => this.#notice(message.data),
    });
    link.hearRefusals(() => this.#lookIntoRefusal());
    link.onState((state) => {
      if (state === "reconnecting") void this.#lookElsewhere();
    });
  }

  onFacts(listener: (facts: BootstrapReady) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isInactive(alias: string): boolean {
    return this.facts.inactiveUses?.includes(alias) === true;
  }

  refresh(): Promise<void> {
    this.#looking ??= this.#ask().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#link?.close();
  }

  #servers(): readonly string[] {
    const { nats } = this.facts;
    return this.#options.transport === "tcp" ? nats.servers : nats.websocket;
  }

  #plan(): ConnectionPlan {
    const { key, contract, crypto, transport } = this.#options;
    const { nats, permissionsTtlMs } = this.facts;
    this.#dialled = this.#servers();
    return {
      servers: this.#dialled,
      authenticator: connectAuthenticator({
        key,
        contractDigest: contract.digest,
        clock: this.clock,
        sha256: crypto.sha256,
      }),
      ...(nats.ca === undefined || transport === "websocket" ? {} : { tls: { ca: nats.ca } }),
      permissionsTtlMs,
    };
  }

  #notice(data: Uint8Array): void {
    const notice = parseSessionNotice(data);
    if (notice === undefined) return;
    switch (notice.type) {
      case "revoked":
        this.#end(new AuthError("session_not_found", { message: "This session was revoked by the platform." }));
        break;
      case "permissionsChanged":
        // The new facts first, so that whoever works with them finds their permissions granted.
        void within(CATCH_UP_MS, this.#catchUpWith(notice.revision)).then(() => this.link.renew());
        break;
      case "goingAway":
        void this.link.renew();
        break;
    }
  }

  /** A replica of the control plane may answer from just before the change it was told of. */
  async #catchUpWith(revision: number): Promise<void> {
    for (let attempt = 0; attempt < CATCH_UP_ATTEMPTS; attempt += 1) {
      await this.refresh();
      if (this.facts.revision >= revision || this.#stop.signal.aborted) return;
      await pause(reconnectDelayMs(attempt), this.#stop.signal);
    }
  }

  /** While NATS is away: asks the platform now and then, and goes where it points when that is another place. */
  async #lookElsewhere(): Promise<void> {
    while ((await pause(LOOK_ELSEWHERE_MS, this.#stop.signal)) && this.link.state === "reconnecting") {
      await this.refresh();
      if (this.#servers().join() !== this.#dialled.join()) this.link.redial();
    }
  }

  /** NATS never says why it refuses; the platform does. */
  #lookIntoRefusal(): void {
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    void this.refresh();
  }

  async #ask(): Promise<void> {
    const answer = await askPlatform(this.#options, this.clock, this.#stop.signal);
    if (answer.ok) {
      this.#told = "";
      this.#tellOfUses(answer.value);
      this.facts = answer.value;
      for (const listener of this.#listeners) listener(answer.value);
      return;
    }
    const { code, reason, message } = answer.error;
    if (code === "cancelled") return;
    if (reason !== undefined && ENDS.has(reason)) this.#end(toError(answer.error));
    // A disabled instance may be enabled again: it goes on asking whenever NATS refuses it.
    else if (message !== this.#told) this.#options.onNotice?.(message);
    this.#told = message;
  }

  #tellOfUses({ inactiveUses = [] }: BootstrapReady): void {
    const { required } = this.#options.contract.manifest.uses ?? {};
    const nameOf = (alias: string): string => `${alias} (${required?.[alias]?.contract ?? "an unknown contract"})`;
    const { inactiveUses: before = [] } = this.facts;
    const gone = inactiveUses.filter((alias) => !before.includes(alias));
    const back = before.filter((alias) => !inactiveUses.includes(alias));
    if (gone.length > 0) {
      this.#options.onNotice?.(
        `What this contract requires as ${gone.map(nameOf).join(", ")} is not in force any more. Everything else goes on; calls of it fail until it is back. See what serves it: trellis svc list`,
      );
    }
    if (back.length > 0) this.#options.onNotice?.(`${back.map(nameOf).join(", ")} is in force again.`);
  }

  #end(reason: Error): void {
    if (this.#ended.signal.aborted) return;
    this.#options.onNotice?.(reason.message);
    this.#ended.abort(reason);
    this.#stop.abort();
    void this.#link?.close(reason);
  }
}

/** Refusals that nothing but a new login or key can mend. */
const ENDS: ReadonlySet<string> = new Set([
  "session_revoked",
  "user_inactive",
  "unknown_service",
  "unknown_agent",
  "invalid_signature",
]);

function askPlatform(options: SessionOptions, clock: ServerClock, signal: AbortSignal) {
  const { url, key, contract, kind, enrol, post, crypto, onNotice } = options;
  return bootstrap({
    url,
    key,
    contract,
    kind,
    clock,
    signal,
    sha256: crypto.sha256,
    ...(enrol === undefined ? {} : { enrol }),
    ...(post === undefined ? {} : { post }),
    ...(onNotice === undefined ? {} : { onWaiting: onNotice }),
  });
}

function toError(error: BootstrapError): Error {
  const { code, reason, message, problems } = error;
  if (code === "cancelled") return new TransportError("cancelled", { message });
  const details = (problems ?? []).map((problem) => `\n  ${problem.path}: ${problem.message}`).join("");
  return new ConnectRefused(reason ?? "refused", message + details);
}

/** The platform will not have this participant; the message says why and what to do. */
export class ConnectRefused extends Error {
  override readonly name = "ConnectRefused";
  /** The platform's reason: `unknown_service`, `invalid_manifest`, … */
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
