import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import {
  decodeAuthorizationRequest,
  encodeAuthorizationResponse,
  encodeUserJwt,
  nkeyFromSeed,
  xkeyFromSeed,
} from "@trellis/nats";
import type { AuthorizationRequest, ControlPlaneKeys, Nkey, Xkey } from "@trellis/nats";
import { parseConnectToken, verifyConnectToken } from "@trellis/protocol";
import type { Log } from "../log.ts";
import { createVerifier, sha256 } from "../sessions/signatures.ts";
import type { Admission, AdmissionResolver, Denial } from "./admission.ts";
import { encodeConnectionName } from "./connection-name.ts";

/** Where nats-server asks about every connection of a participant. */
export const CALLOUT_SUBJECT = "$SYS.REQ.USER.AUTH";
/** Replicas share the questions. */
const QUEUE = "trellis-callout";

export interface CalloutOptions {
  /** Connection to the AUTH account as the callout user. */
  readonly nc: NatsConnection;
  readonly keys: ControlPlaneKeys;
  readonly resolver: AdmissionResolver;
  /** Life of the permissions of a connection. */
  readonly permissionsTtlMs: number;
  /** How long a server waits for an answer; a later one is wasted work. */
  readonly authTimeoutMs: number;
  readonly log: Log;
  readonly maxQueued?: number;
  readonly maxRunning?: number;
  readonly now?: () => number;
}

export interface CalloutCounts {
  readonly admitted: number;
  readonly denied: number;
  /** Not answered: too late already, or more than fits in the queue. */
  readonly dropped: number;
  readonly queued: number;
}

/** A storm of reconnects fits; what waits longer than the server does is dropped when its turn comes. */
const MAX_QUEUED = 5_000;
/** Only sessions that are not in memory wait for something; those must not hold up the rest. */
const MAX_RUNNING = 64;
/** Sealing, sending and the way: an answer started this close to the end would come too late. */
const ANSWER_MS = 100;
const DROPS_TOLD_EVERY_MS = 1_000;

interface Question {
  readonly message: Msg;
  readonly receivedAt: number;
}

/**
 * Answers the auth callout.
 *
 * 1. Questions wait in one bounded queue, first come first served; one whose time has passed is dropped unread.
 * 2. Every refusal is answered at once and logged with its reason; only the server learns it, never the client.
 * 3. Nothing but a session that is not in memory is waited for.
 */
export class Callout {
  readonly #options: CalloutOptions;
  readonly #xkey: Xkey;
  readonly #authSigner: Nkey;
  readonly #participantSigner: Nkey;
  readonly #verify = createVerifier();
  readonly #maxQueued: number;
  readonly #maxRunning: number;
  readonly #now: () => number;
  readonly #subscription: Subscription;
  #queue: Question[] = [];
  #head = 0;
  #running = 0;
  #admitted = 0;
  #denied = 0;
  #dropped = 0;
  #droppedUntold = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  #idle: (() => void) | undefined;

  constructor(options: CalloutOptions) {
    this.#options = options;
    const { keys, nc } = options;
    this.#xkey = xkeyFromSeed(keys.xkeySeed);
    this.#authSigner = nkeyFromSeed(keys.accounts.AUTH.signingSeed);
    this.#participantSigner = nkeyFromSeed(keys.accounts.TRELLIS.signingSeed);
    this.#maxQueued = options.maxQueued ?? MAX_QUEUED;
    this.#maxRunning = options.maxRunning ?? MAX_RUNNING;
    this.#now = options.now ?? Date.now;
    this.#subscription = nc.subscribe(CALLOUT_SUBJECT, {
      queue: QUEUE,
      callback: (error, message) => {
        if (error) options.log.error("the callout cannot hear", { error: error.message });
        else this.#take(message);
      },
    });
  }

  get counts(): CalloutCounts {
    return {
      admitted: this.#admitted,
      denied: this.#denied,
      dropped: this.#dropped,
      queued: this.#queue.length - this.#head,
    };
  }

  /** Takes no more questions and answers those it has. */
  async close(): Promise<void> {
    if (!this.#options.nc.isClosed()) await this.#subscription.drain().catch(() => undefined);
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #take(message: Msg): void {
    if (this.#queue.length - this.#head >= this.#maxQueued) {
      this.#drop("the queue is full");
      return;
    }
    this.#queue.push({ message, receivedAt: performance.now() });
    this.#work();
  }

  #work(): void {
    while (this.#running < this.#maxRunning) {
      const question = this.#queue[this.#head];
      if (!question) break;
      this.#head += 1;
      if (this.#head > 256 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head);
        this.#head = 0;
      }
      this.#running += 1;
      void this.#answer(question)
        .catch((error: unknown) => {
          this.#options.log.error("a connection could not be judged", {
            error: error instanceof Error ? (error.stack ?? error.message) : String(error),
          });
        })
        .finally(() => {
          this.#running -= 1;
          this.#work();
        });
    }
    if (this.#running === 0) this.#idle?.();
  }

  async #answer({ message, receivedAt }: Question): Promise<void> {
    if (performance.now() - receivedAt > this.#options.authTimeoutMs - ANSWER_MS) {
      this.#drop("the server has stopped waiting");
      return;
    }
    const serverXkey = message.headers?.get("Nats-Server-Xkey") ?? "";
    const opened = serverXkey === "" ? undefined : this.#xkey.open(message.data, serverXkey);
    const decoded = opened && decodeAuthorizationRequest(Buffer.from(opened).toString("utf8"));
    if (!decoded?.ok || decoded.request.server.xkey !== serverXkey) {
      // Nobody to answer: only a server of ours can seal for us and sign what it sealed.
      this.#denied += 1;
      this.#options.log.warn("a callout question was not readable and is not answered", {
        reason: decoded?.ok === false ? decoded.reason : opened ? "wrong_server" : "not_sealed",
      });
      return;
    }
    const { request } = decoded;
    if (request.expiresAt.getTime() + 1_000 < this.#now()) {
      this.#drop("the server has stopped waiting");
      return;
    }
    const verdict = await this.#judge(request);
    if (!verdict.admitted) this.#logDenial(request, verdict);
    else this.#admitted += 1;
    const response = encodeAuthorizationResponse(
      {
        userNkey: request.userNkey,
        serverId: request.server.id,
        issuerAccount: this.#options.keys.accounts.AUTH.id,
        answer: verdict.admitted ? { jwt: this.#userJwt(request, verdict) } : { error: verdict.reason },
      },
      this.#authSigner,
    );
    message.respond(this.#xkey.seal(Buffer.from(response), serverXkey));
  }

  async #judge(request: AuthorizationRequest): Promise<Admission | Denial> {
    const parsed = parseConnectToken(request.connect.authToken ?? "");
    if (!parsed.ok) return { admitted: false, ...parsed.error };
    const checked = await verifyConnectToken(parsed.value, {
      nonce: request.client.nonce ?? "",
      nowSeconds: this.#now() / 1_000,
      verify: this.#verify,
      sha256,
    });
    if (!checked.ok) return { admitted: false, ...checked.error };
    try {
      return await this.#options.resolver.resolve(checked.value);
    } catch (error) {
      return {
        admitted: false,
        reason: "registry_unavailable",
        detail: error instanceof Error ? error.message : String(error),
      };
    }
  }

  #userJwt(request: AuthorizationRequest, admission: Admission): string {
    const { keys, permissionsTtlMs } = this.#options;
    return encodeUserJwt(
      {
        name: encodeConnectionName(admission.name),
        subject: request.userNkey,
        permissions: admission.permissions,
        // The claim is in whole seconds and would be cut; a life of two seconds must not become one.
        expiresAt: new Date(Math.ceil((this.#now() + permissionsTtlMs) / 1_000) * 1_000),
        issuerAccount: keys.accounts.TRELLIS.id,
      },
      this.#participantSigner,
    );
  }

  #logDenial(request: AuthorizationRequest, denial: Denial): void {
    this.#denied += 1;
    this.#options.log.info("a connection was refused", {
      reason: denial.reason,
      detail: denial.detail,
      ...(denial.waiting === undefined ? {} : { waitingFor: denial.waiting }),
      sessionKey: sessionKeyOf(request.connect.authToken),
      host: request.client.host,
      transport: request.client.type,
      client: request.client.name,
      server: request.server.name,
    });
  }

  /** One line a second however many there are. */
  #drop(why: string): void {
    this.#dropped += 1;
    this.#droppedUntold += 1;
    const now = performance.now();
    if (now - this.#toldAt < DROPS_TOLD_EVERY_MS) return;
    this.#toldAt = now;
    this.#options.log.warn("callout questions were dropped; their clients will try again", {
      why,
      dropped: this.#droppedUntold,
    });
    this.#droppedUntold = 0;
  }
}

/** The claim, for the log; nothing is proven about it. */
function sessionKeyOf(token: string | undefined): string | undefined {
  const parsed = parseConnectToken(token ?? "");
  return parsed.ok ? parsed.value.sessionKey : undefined;
}
