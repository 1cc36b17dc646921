import { encodeBase64url } from "@trellis/contracts";
import type { Manifest } from "@trellis/contracts";
import { BOOTSTRAP_PATHS, bootstrapDigest, enrolDigest, portableSha256 } from "@trellis/protocol";
import type {
  BootstrapAnswer,
  BootstrapReady,
  BootstrapRequest,
  Problem,
  RefusedReason,
  Sha256,
} from "@trellis/protocol";
import { err, ok } from "@trellis/result";
import type { Result } from "@trellis/result";
import { readAnswer } from "./bootstrap-answer.ts";
import { fetchJson } from "./post-json.ts";
import type { PostJson } from "./post-json.ts";
import type { ServerClock } from "./server-clock.ts";
import type { SessionKey } from "./session-key.ts";

export interface BootstrapOptions {
  /** Address of the platform: `https://trellis.example.com`. */
  readonly url: string;
  readonly key: SessionKey;
  readonly contract: { readonly digest: string; readonly manifest: Manifest };
  readonly kind: "service" | "agent";
  /** Corrected by every answer; the connect tokens and proofs of the session use the same one. */
  readonly clock: ServerClock;
  /** A registered user key that vouches for a session key of one run. */
  readonly enrol?: SessionKey;
  readonly post?: PostJson;
  readonly sha256?: Sha256;
  /** What is waited for, once per change, for a person. */
  readonly onWaiting?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** Why there is no session: the platform refused, or the caller gave up. */
export interface BootstrapError {
  readonly code: "refused" | "cancelled";
  readonly reason?: RefusedReason;
  /** What happened, why, and what to do next. */
  readonly message: string;
  readonly problems?: readonly Problem[];
}

/** A platform that does not answer in this time is asked again. */
const ANSWER_MS = 10_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 10_000;
const SHORTEST_POLL_MS = 100;
const LONGEST_POLL_MS = 30_000;

/**
 * Asks the platform until it says ready or refuses for good. Waiting answers are polled, lost networks retried, both
 * for ever: a participant started before its plan is accepted, or before the platform, simply begins later.
 */
export async function bootstrap(options: BootstrapOptions): Promise<Result<BootstrapReady, BootstrapError>> {
  const { signal, clock } = options;
  const tell = onceEach(options.onWaiting);
  let sendManifest = false;
  let clockCorrected = false;
  for (let failures = 0; !isAborted(signal);) {
    const asked = await ask(options, sendManifest);
    if (!asked.ok) {
      if (isAborted(signal)) break;
      tell(`Cannot reach the platform at ${options.url} (${asked.error}); trying again until it answers.`);
      await pause(jittered(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures)), signal);
      failures = Math.min(failures + 1, 20);
      continue;
    }
    failures = 0;
    const { answer, askedAt } = asked.value;
    clock.correct(answer.serverNow, askedAt, clock.instant());
    if (answer.status === "ready") return ok(answer);
    if (answer.status === "refused") {
      if (answer.reason === "iat_out_of_range" && !clockCorrected) {
        // The answer just told the right time.
        clockCorrected = true;
        continue;
      }
      const { reason, message, problems } = answer;
      return err({ code: "refused", reason, message, ...(problems === undefined ? {} : { problems }) });
    }
    if (answer.reason === "manifest_required" && !sendManifest) {
      sendManifest = true;
      continue;
    }
    tell(answer.message);
    await pause(jittered(Math.min(LONGEST_POLL_MS, Math.max(SHORTEST_POLL_MS, answer.retryAfterMs))), signal);
  }
  return err({ code: "cancelled", message: `Asking the platform at ${options.url} was given up by the caller.` });
}

async function ask(
  options: BootstrapOptions,
  withManifest: boolean,
): Promise<Result<{ readonly answer: BootstrapAnswer; readonly askedAt: number }, string>> {
  const { url, kind, signal, clock, post = fetchJson } = options;
  const timeout = AbortSignal.timeout(ANSWER_MS);
  const askedAt = clock.instant();
  try {
    const { status, text } = await post(
      new URL(BOOTSTRAP_PATHS[kind], url),
      JSON.stringify(signedRequest(options, withManifest)),
      signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    );
    const answer = readAnswer(text);
    if (answer === undefined) return err(`it answered HTTP ${status} and nothing a Trellis platform says`);
    return ok({ answer, askedAt });
  } catch (error) {
    return err(timeout.aborted ? `no answer within ${ANSWER_MS / 1_000} s` : networkReason(error));
  }
}

function signedRequest(options: BootstrapOptions, withManifest: boolean): BootstrapRequest {
  const { key, contract, clock, enrol, sha256 = portableSha256 } = options;
  const iat = clock.nowSeconds();
  const sig = encodeBase64url(key.sign(bootstrapDigest(iat, contract.digest, sha256)));
  return {
    v: 1,
    sessionKey: key.publicKey,
    contractDigest: contract.digest,
    iat,
    sig,
    ...(withManifest ? { manifest: contract.manifest } : {}),
    ...(enrol === undefined
      ? {}
      : {
          enrol: {
            key: enrol.publicKey,
            sig: encodeBase64url(enrol.sign(enrolDigest(key.publicKey, contract.digest, iat, sha256))),
          },
        }),
  };
}

/** `fetch failed` helps nobody; what is below it does. */
function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause = error } = error;
  if (!(cause instanceof Error)) return error.message;
  // A DOMException has a code too, and it is a number.
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}

function onceEach(tell: ((message: string) => void) | undefined): (message: string) => void {
  let told = "";
  return (message) => {
    if (message === told) return;
    told = message;
    tell?.(message);
  };
}

/** A quarter either way, so that a thousand participants do not ask in step. */
function jittered(ms: number): number {
  return ms * (0.75 + Math.random() / 2);
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
    if (isAborted(signal)) done();
  });
}
