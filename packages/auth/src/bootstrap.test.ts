import { MANIFEST_FORMAT, NO_BINDINGS } from "@trellis/contracts";
import type { Manifest } from "@trellis/contracts";
import { bootstrapDigest, enrolDigest } from "@trellis/protocol";
import type { BootstrapAnswer, BootstrapReady, BootstrapRequest } from "@trellis/protocol";
import { describe, expect, test } from "vitest";
import { bootstrap } from "./bootstrap.ts";
import type { BootstrapOptions } from "./bootstrap.ts";
import { verifySignatureSync } from "./node/node-crypto.ts";
import { createNodeSessionKey } from "./node/node-key.ts";
import type { PostJson } from "./post-json.ts";
import { ServerClock } from "./server-clock.ts";

const key = createNodeSessionKey();
const manifest: Manifest = { format: MANIFEST_FORMAT, id: "a@v1", displayName: "A", description: "A.", kind: "agent" };
const contract = { digest: "u7h2fJxPcd9HDsSh0GzM3zjFrfS8btaLSh1nx9JV-9s", manifest };

function ready(serverNow: number): BootstrapReady {
  return {
    status: "ready",
    serverNow,
    nats: { servers: ["nats://127.0.0.1:4222"], websocket: [] },
    contractDigest: contract.digest,
    inboxPrefix: `_INBOX.${key.publicKey.slice(0, 16)}`,
    bindings: NO_BINDINGS,
    grantedUses: [],
    principal: { type: "user", id: "u", name: "dev" },
    capabilities: [],
    revision: 7,
    permissionsTtlMs: 3_600_000,
  };
}

/** A platform that gives these answers in turn and remembers what it was asked. */
function platform(...answers: (BootstrapAnswer | Error | string)[]) {
  const asked: { readonly url: string; readonly body: BootstrapRequest }[] = [];
  const post: PostJson = async ({ href }, json) => {
    const body: BootstrapRequest = JSON.parse(json);
    asked.push({ url: href, body });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer instanceof Error) throw answer;
    return typeof answer === "string" ? { status: 502, text: answer } : { status: 200, text: JSON.stringify(answer) };
  };
  return { asked, post };
}

function options(post: PostJson, more: Partial<BootstrapOptions> = {}): BootstrapOptions {
  return { url: "http://platform.test/", key, contract, kind: "agent", clock: new ServerClock(), post, ...more };
}

const waiting = (
  message: string,
  reason: "manifest_required" | "authority_update_required" = "authority_update_required",
): BootstrapAnswer => ({
  status: "waiting",
  serverNow: Date.now(),
  reason,
  message,
  retryAfterMs: 1,
});

describe("bootstrap", () => {
  test("is signed by the session key and vouched for by the user's", async () => {
    const user = createNodeSessionKey();
    const { asked, post } = platform(ready(Date.now()));
    const answer = await bootstrap(options(post, { enrol: user }));
    expect(answer.ok && answer.value.revision).toBe(7);
    expect(asked[0]?.url).toBe("http://platform.test/bootstrap/agent");
    const body = asked[0]?.body;
    if (body?.enrol === undefined) throw new Error("not enrolled");
    expect(body.manifest).toBeUndefined();
    expect(verifySignatureSync(key.publicKey, bootstrapDigest(body.iat, contract.digest), body.sig)).toBe(true);
    expect(body.enrol.key).toBe(user.publicKey);
    const digest = enrolDigest(key.publicKey, contract.digest, body.iat);
    expect(verifySignatureSync(user.publicKey, digest, body.enrol.sig)).toBe(true);
  });

  test("sends the manifest when the platform does not know it, and not before", async () => {
    const { asked, post } = platform(waiting("unknown", "manifest_required"), ready(Date.now()));
    const told: string[] = [];
    expect((await bootstrap(options(post, { onWaiting: (message) => told.push(message) }))).ok).toBe(true);
    expect(asked.map(({ body }) => body.manifest)).toEqual([undefined, manifest]);
    expect(told).toEqual([]);
  });

  test("a clock ten minutes off is corrected by the refusal itself", async () => {
    const serverNow = Date.now() + 600_000;
    const clock = new ServerClock();
    const { asked, post } = platform(
      { status: "refused", serverNow, reason: "iat_out_of_range", message: "Signed too long ago." },
      ready(serverNow),
    );
    expect((await bootstrap(options(post, { clock }))).ok).toBe(true);
    expect(Math.abs((asked[1]?.body.iat ?? 0) - serverNow / 1_000)).toBeLessThan(3);
    expect(Math.abs(clock.nowMs() - serverNow)).toBeLessThan(3_000);
  });

  test("a refused time of signing with the right time ends it", async () => {
    const { asked, post } = platform({
      status: "refused",
      serverNow: Date.now(),
      reason: "iat_out_of_range",
      message: "No.",
    });
    const answer = await bootstrap(options(post));
    expect(!answer.ok && answer.error.reason).toBe("iat_out_of_range");
    expect(asked).toHaveLength(2);
  });

  test("waits as long as it is told to, and tells each reason once", async () => {
    const { asked, post } = platform(
      waiting("plan P waits"),
      waiting("plan P waits"),
      waiting("billing is not active"),
      ready(Date.now()),
    );
    const told: string[] = [];
    expect((await bootstrap(options(post, { onWaiting: (message) => told.push(message) }))).ok).toBe(true);
    expect(asked).toHaveLength(4);
    expect(told).toEqual(["plan P waits", "billing is not active"]);
  });

  test("tries again while the network or a proxy is in the way, and says so in words", async () => {
    const refused = new TypeError("fetch failed", {
      cause: Object.assign(new Error("connect"), { code: "ECONNREFUSED" }),
    });
    const { post } = platform(refused, refused, "<html>bad gateway</html>", ready(Date.now()));
    const told: string[] = [];
    expect((await bootstrap(options(post, { onWaiting: (message) => told.push(message) }))).ok).toBe(true);
    expect(told).toHaveLength(2);
    expect(told[0]).toContain("ECONNREFUSED");
    expect(told[1]).toContain("HTTP 502");
  });

  test("a refusal ends it with the reason and what to do", async () => {
    const { asked, post } = platform({
      status: "refused",
      serverNow: Date.now(),
      reason: "service_disabled",
      message: "orders is disabled. Enable it: trellis svc enable orders",
    });
    const answer = await bootstrap(options(post));
    expect(answer.ok ? undefined : answer.error).toMatchObject({ code: "refused", reason: "service_disabled" });
    expect(asked).toHaveLength(1);
  });

  test("a signal that ends a request is no news of the platform", async () => {
    const abort = new AbortController();
    const told: string[] = [];
    const post: PostJson = () => {
      abort.abort();
      return Promise.reject(new TypeError("fetch failed", { cause: abort.signal.reason }));
    };
    const answer = await bootstrap(options(post, { signal: abort.signal, onWaiting: (text) => told.push(text) }));
    expect(!answer.ok && answer.error.code).toBe("cancelled");
    expect(told).toEqual([]);
  });

  test("a signal ends the waiting at once", async () => {
    const abort = new AbortController();
    const { post } = platform({
      ...waiting("for ever"),
      status: "waiting",
      reason: "dependency_not_active",
      message: "for ever",
      retryAfterMs: 60_000,
    });
    const asking = bootstrap(options(post, { signal: abort.signal, onWaiting: () => abort.abort() }));
    const answer = await asking;
    expect(!answer.ok && answer.error.code).toBe("cancelled");
  });
});
