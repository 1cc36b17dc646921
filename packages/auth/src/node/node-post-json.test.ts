import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { fetchJson } from "../post-json.ts";
import type { PostJson } from "../post-json.ts";
import { nodePostJson } from "./node-post-json.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

async function serve(answer: RequestListener): Promise<URL> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return new URL(`http://127.0.0.1:${port}/bootstrap/agent`);
}

/** What it was sent, as it came. */
const echo: RequestListener = (request, response) => {
  let text = "";
  request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  request.on("end", () => {
    response.statusCode = 202;
    response.end(JSON.stringify([request.method, request.url, request.headers["content-type"], text]));
  });
};

const ways: readonly (readonly [string, PostJson])[] = [
  ["Node's own client", nodePostJson],
  ["fetch", fetchJson],
];

describe.each(ways)("JSON sent by %s", (_, post) => {
  const never = new AbortController().signal;

  test("arrives whole, and so does the answer", async () => {
    const json = JSON.stringify({ name: "Zoë".repeat(100_000) });
    const { status, text } = await post(await serve(echo), json, never);
    expect(status).toBe(202);
    expect(JSON.parse(text)).toEqual(["POST", "/bootstrap/agent", "application/json", json]);
  });

  test("follows a platform that has moved", async () => {
    const home = await serve(echo);
    const moved = await serve((_request, response) => {
      response.writeHead(308, { location: home.href }).end();
    });
    expect((await post(moved, "{}", never)).status).toBe(202);
  });

  test("fails when nothing listens, with the reason of the network", async () => {
    const address = await serve(echo);
    servers.pop()?.close();
    const error: unknown = await post(address, "{}", never).catch((reason: unknown) => reason);
    const { cause = error } = error as Error;
    expect(cause).toMatchObject({ code: "ECONNREFUSED" });
  });

  test("fails when the answer breaks off", async () => {
    const address = await serve((request, response) => {
      response.writeHead(200, { "content-length": "100" }).write("{", () => request.socket.destroy());
    });
    await expect(post(address, "{}", never)).rejects.toThrow();
  });

  test("ends with its signal", async () => {
    const abort = new AbortController();
    const address = await serve(() => abort.abort());
    await expect(post(address, "{}", abort.signal)).rejects.toThrow(/abort/);
  });
});

test("a platform that sends in circles is heard in the end", async () => {
  const address = await serve((request, response) => {
    response.writeHead(307, { location: request.url }).end("round");
  });
  expect(await nodePostJson(address, "{}", new AbortController().signal)).toEqual({ status: 307, text: "round" });
});
