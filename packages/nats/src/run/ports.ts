import { createServer } from "node:net";
import type { NodePorts } from "./config.ts";

/** Free TCP ports. Another process may take one before the server does; whoever starts servers must be ready to retry. */

/** Below the range systems use for outgoing connections, so that a restarted server finds its port still free. */
const FIRST = 20_000;
const LAST = 31_999;
const TRIES = 200;

const handedOut = new Set<number>();

/** The wanted ports, and free ones for the rest: the preferred ones where nobody has taken them. */
export async function choosePorts(
  host: string,
  wanted: Partial<NodePorts> = {},
  preferred: Partial<NodePorts> = {},
): Promise<NodePorts> {
  const [client, monitor, websocket, cluster] = await Promise.all([
    wanted.client ?? freePort(host, preferred.client),
    wanted.monitor ?? freePort("127.0.0.1", preferred.monitor),
    wanted.websocket ?? freePort(host, preferred.websocket),
    wanted.cluster ?? freePort(host, preferred.cluster),
  ]);
  return { client, monitor, websocket, cluster };
}

/** Throws, naming it, when somebody else has one of the ports. */
export async function requireFree(host: string, ports: Partial<NodePorts>): Promise<void> {
  for (const [use, port] of Object.entries(ports)) {
    if (await isFree(use === "monitor" ? "127.0.0.1" : host, port)) continue;
    throw new Error(
      `port ${port} (${use} port of nats-server) is in use. Stop the program that uses it, or choose another port.`,
    );
  }
}

async function freePort(host: string, preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(host, preferred))) {
    handedOut.add(preferred);
    return preferred;
  }
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if (await isFree(host, port)) return port;
  }
  throw new Error(`found no free port on ${host} between ${FIRST} and ${LAST}`);
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
