import { BOOTSTRAP_PATHS, type BootstrapAnswer, type PlatformInfo } from "@trellis/protocol";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Log } from "../log.ts";
import { isNatsAway } from "../nats-away.ts";
import type { PlatformMetrics } from "./metrics.ts";

/** One thing that must hold before this replica takes work. */
export interface ReadinessCheck {
  readonly name: string;
  readonly ready: boolean;
  /** It works, and somebody should look: `detail` says at what. */
  readonly warning?: true;
  readonly detail?: string;
}

export interface HttpDependencies {
  readonly version: string;
  readonly local: boolean;
  readonly maxConcurrentBootstraps: number;
  readonly metrics: PlatformMetrics;
  readonly readiness: () => readonly ReadinessCheck[];
  /** Answers an untrusted request body; never throws for bad input. */
  readonly bootstrap: (kind: "service" | "agent", body: unknown) => Promise<BootstrapAnswer>;
  readonly log: Log;
}

/**
 * A manifest may be as large as the contract limits allow, plus the envelope around it. The body is refused while it
 * is still arriving, before anything parses it.
 */
const MAX_BOOTSTRAP_BYTES = 640 * 1024;

/** What participants and operators ask over HTTP. Every answer is JSON, errors included. */
export function createRoutes(deps: HttpDependencies): Hono {
  const app = new Hono();
  let bootstraps = 0;

  for (const kind of ["service", "agent"] as const) {
    app.post(
      BOOTSTRAP_PATHS[kind],
      bodyLimit({
        maxSize: MAX_BOOTSTRAP_BYTES,
        onError: (c) =>
          c.json(refused("invalid_request", `The request is larger than ${MAX_BOOTSTRAP_BYTES / 1024} KiB.`), 413),
      }),
      async (c) => {
        if (bootstraps >= deps.maxConcurrentBootstraps) {
          c.header("retry-after", "1");
          return c.json(
            waiting("The control plane is answering as many participants as it can. Ask again in a moment."),
            503,
          );
        }
        bootstraps += 1;
        try {
          const body = await c.req.json<unknown>().catch(() => undefined);
          if (body === undefined) return c.json(refused("invalid_request", "The request body is not JSON."), 400);
          const answer = await deps.bootstrap(kind, body);
          deps.metrics.bootstraps.inc({ kind, answer: answer.status === "ready" ? "ready" : answer.reason });
          return c.json(answer, answer.status === "refused" ? 403 : 200);
        } catch (error) {
          if (!isNatsAway(error)) throw error;
          c.header("retry-after", "1");
          return c.json(
            waiting("The platform has lost its NATS servers for the moment. Asking again until they are back."),
            503,
          );
        } finally {
          bootstraps -= 1;
        }
      },
    );
  }

  app.get(BOOTSTRAP_PATHS.info, (c) =>
    c.json({ serverNow: Date.now(), platform: { version: deps.version, local: deps.local } } satisfies PlatformInfo),
  );
  app.get("/version", (c) => c.json({ version: deps.version }));
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", (c) => {
    const checks = deps.readiness();
    const ready = checks.every((check) => check.ready);
    return c.json({ status: ready ? "ready" : "not ready", checks }, ready ? 200 : 503);
  });
  app.get("/metrics", async (c) =>
    c.text(await deps.metrics.text(), 200, { "content-type": deps.metrics.contentType }),
  );

  app.notFound((c) => c.json({ error: "not_found", message: `There is nothing at ${c.req.path}.` }, 404));
  app.onError((error, c) => {
    const id = crypto.randomUUID();
    deps.log.error("unexpected error while answering", { err: error, id, path: c.req.path });
    return c.json({ error: "unexpected", message: `Something went wrong here; the log has it under ${id}.` }, 500);
  });
  return app;
}

function refused(reason: "invalid_request", message: string): BootstrapAnswer {
  return { status: "refused", reason, message, serverNow: Date.now() };
}

function waiting(message: string): BootstrapAnswer {
  return { status: "waiting", reason: "reconciliation_pending", message, retryAfterMs: 1000, serverNow: Date.now() };
}
