import type { NatsConnection } from "@nats-io/nats-core";

/** How long servers have to say they are there. */
const LISTEN_MS = 250;

/** How many copies JetStream keeps: what was configured, or three where there are three servers to hold them. */
export async function chooseReplicas(sys: NatsConnection, configured: "auto" | "1" | "3"): Promise<1 | 3> {
  if (configured !== "auto") return configured === "3" ? 3 : 1;
  if (sys.info?.cluster === undefined) return 1;
  const servers = new Set<string>();
  const answers = await sys.requestMany("$SYS.REQ.SERVER.PING", "", { maxWait: LISTEN_MS });
  for await (const answer of answers) {
    const { server } = answer.json<{ server?: { id?: string; jetstream?: boolean } }>();
    if (server?.id !== undefined && server.jetstream !== false) servers.add(server.id);
  }
  return servers.size >= 3 ? 3 : 1;
}
