import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { nodeConnect } from "../src/node.ts";
import { freePort } from "./nats-server.ts";

const INFO = JSON.stringify({
  server_id: "S",
  server_name: "s",
  version: "2.14.5",
  proto: 1,
  host: "127.0.0.1",
  port: 1,
  headers: true,
  max_payload: 1_048_576,
});

let server: Server | undefined;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server?.close(resolve));
});

/** Speaks just enough NATS to be connected to. */
async function greeter(): Promise<number> {
  const port = await freePort();
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.write(`INFO ${INFO}\r\n`);
    socket.on("data", (data) => {
      if (String(data).includes("PING")) socket.write("PONG\r\n");
    });
  });
  await new Promise<void>((resolve) => server?.listen(port, "127.0.0.1", resolve));
  return port;
}

test("a write after the server's goodbye, then a close: no error reaches the process", async () => {
  const port = await greeter();
  const uncaught: unknown[] = [];
  const hear = (error: unknown): void => void uncaught.push(error);
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", hear);
  try {
    const connection = await nodeConnect({ servers: `127.0.0.1:${port}`, reconnect: false });
    // What nats.js does when the server says goodbye, before the socket has closed.
    socketOf(connection).end();
    connection.publish("too.late");
    // The write and the removal of the listeners in one turn, the socket's report of the error after both.
    await Promise.resolve();
    await connection.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(uncaught).toEqual([]);
  } finally {
    process.off("uncaughtException", hear);
    for (const listener of before) process.on("uncaughtException", listener);
  }
});

/** nats.js shows its socket to nobody; the test must end it at the one moment that matters. */
function socketOf(connection: object): Socket {
  return (connection as { protocol: { transport: { socket: Socket } } }).protocol.transport.socket;
}
