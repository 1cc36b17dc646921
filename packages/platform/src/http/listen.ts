import { readFileSync } from "node:fs";
import { createServer as createHttpsServer } from "node:https";
import { type ServerType, createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";

export interface HttpListener {
  /** Where people reach it; the port is the real one when any free one was asked for. */
  readonly url: string;
  /** Takes no new request and resolves when those under way are answered, or after `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

/** How long answers under way may take once the listener is told to close. */
const CLOSE_GRACE_MS = 5000;

export async function listen(app: Hono, options: ListenOptions): Promise<HttpListener> {
  const { tls } = options;
  const server: ServerType = createAdaptorServer(
    tls
      ? {
          fetch: app.fetch,
          createServer: createHttpsServer,
          serverOptions: { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) },
        }
      : { fetch: app.fetch },
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  const host = options.host === "0.0.0.0" || options.host === "127.0.0.1" ? "localhost" : options.host;
  return {
    url: `${tls ? "https" : "http"}://${host}:${port}`,
    close: (graceMs = CLOSE_GRACE_MS) =>
      new Promise((resolve) => {
        const deadline = setTimeout(() => "closeAllConnections" in server && server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(deadline);
          resolve();
        });
        if ("closeIdleConnections" in server) server.closeIdleConnections();
      }),
  };
}
