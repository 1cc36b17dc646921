import { request } from "node:https";
import { join } from "node:path";
import { TimeoutError } from "@nats-io/nats-core";
import { Hono } from "hono";
import { afterEach, describe, expect, it } from "vitest";
import { SILENT_LOG } from "../log.ts";
import { type HttpListener, listen, type ListenOptions } from "./listen.ts";
import { PlatformMetrics } from "./metrics.ts";
import { createRoutes, type HttpDependencies } from "./routes.ts";

let listener: HttpListener | undefined;
afterEach(() => listener?.close(0));

async function serve(deps: Partial<HttpDependencies> = {}, options: Partial<ListenOptions> = {}): Promise<string> {
  const routes = createRoutes({
    version: "1.2.3",
    local: false,
    maxConcurrentBootstraps: 2,
    metrics: new PlatformMetrics(),
    readiness: () => [{ name: "nats", ready: true }],
    bootstrap: async () => ({ status: "refused", reason: "unknown_service", message: "No.", serverNow: 1 }),
    log: SILENT_LOG,
    ...deps,
  });
  listener = await listen(routes, { host: "127.0.0.1", port: 0, ...options });
  return listener.url;
}

const post = (url: string, body: string) => fetch(`${url}/bootstrap/service`, { method: "POST", body });

describe("the routes", () => {
  it("answer a bootstrap with what it decided, and count it", async () => {
    const url = await serve();
    const answer = await post(url, "{}");
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ reason: "unknown_service" });
    expect(await (await fetch(`${url}/metrics`)).text()).toContain(
      'trellis_bootstraps_total{kind="service",answer="unknown_service"} 1',
    );
  });

  it("refuse what is not JSON, and what is too large before reading it all", async () => {
    let asked = 0;
    const url = await serve({
      bootstrap: async () => {
        asked += 1;
        return { status: "refused", reason: "invalid_request", message: "No.", serverNow: 1 };
      },
    });
    expect((await post(url, "{ nope")).status).toBe(400);
    expect((await post(url, `"${"x".repeat(700 * 1024)}"`)).status).toBe(413);
    expect(asked).toBe(0);
  });

  it("tell a participant to come back when too many ask at once", async () => {
    const gate = Promise.withResolvers<void>();
    let arrived = 0;
    const url = await serve({
      bootstrap: async () => {
        arrived += 1;
        await gate.promise;
        return { status: "refused", reason: "unknown_service", message: "No.", serverNow: 1 };
      },
    });
    const held = [post(url, "{}"), post(url, "{}")];
    await expect.poll(() => arrived).toBe(2);
    const third = await post(url, "{}");
    expect(third.status).toBe(503);
    expect(await third.json()).toMatchObject({ status: "waiting", retryAfterMs: 1000 });
    gate.resolve();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([403, 403]);
  });

  it("tell a participant to come back while NATS is away, and why", async () => {
    const errors: string[] = [];
    const url = await serve({
      bootstrap: () => Promise.reject(new TimeoutError()),
      log: { ...SILENT_LOG, error: (message) => errors.push(message) },
    });
    const answer = await post(url, "{}");
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({
      status: "waiting",
      retryAfterMs: 1000,
      message: expect.stringContaining("lost its NATS servers"),
    });
    expect(errors).toEqual([]);
  });

  it("say what is not ready, and keep an unexpected failure to the log", async () => {
    const logged: unknown[] = [];
    const url = await serve({
      readiness: () => [{ name: "nats", ready: false, detail: "the connection is gone" }],
      bootstrap: () => Promise.reject(new Error("secret path /etc/keys")),
      log: { ...SILENT_LOG, error: (_message, fields) => logged.push(fields) },
    });
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ checks: [{ detail: "the connection is gone" }] });
    const failed = await post(url, "{}");
    expect(failed.status).toBe(500);
    expect(await failed.text()).not.toContain("secret");
    expect(logged).toHaveLength(1);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    expect(await (await fetch(`${url}/version`)).json()).toEqual({ version: "1.2.3" });
  });
});

describe("the listener", () => {
  it("speaks HTTPS with the certificate it was given", async () => {
    const tls = join(import.meta.dirname, "..", "..", "..", "nats", "test", "tls");
    const url = await serve({}, { tls: { certFile: join(tls, "server.crt"), keyFile: join(tls, "server.key") } });
    expect(url).toMatch(/^https:/);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request(`${url}/healthz`, { rejectUnauthorized: false }, (answer) => resolve(answer.resume().statusCode))
        .on("error", reject)
        .end();
    });
    expect(status).toBe(200);
    await expect(fetch(url.replace("https:", "http:"))).rejects.toThrow();
  });

  it("says that a port is taken instead of taking another", async () => {
    const url = await serve();
    await expect(listen(new Hono(), { host: "127.0.0.1", port: Number(new URL(url).port) })).rejects.toThrow(
      /EADDRINUSE/,
    );
  });
});
