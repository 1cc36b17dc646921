import { open } from "node:fs/promises";
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** How we know that a server, our server, is ready. */

const POLL_MS = 5;

export class NotReady extends Error {
  override readonly name = "NotReady";
}

/** Polls `check` until it says `undefined`; past the deadline throws with what it said last. */
export async function untilReady(check: () => Promise<string | undefined>, deadline: number): Promise<void> {
  for (let wait = POLL_MS; ; wait = Math.min(wait * 1.5, 100)) {
    const problem = await check();
    if (problem === undefined) return;
    if (Date.now() >= deadline) throw new NotReady(problem);
    await sleep(wait);
  }
}

/** What is wrong with JetStream on the server at this monitoring port; `undefined` when nothing is. */
export async function health(monitorPort: number): Promise<string | undefined> {
  const answer = await getJson(monitorPort, "/healthz");
  if (answer === undefined) return "it does not answer on its monitoring port";
  if (answer.status === "ok") return undefined;
  return typeof answer.error === "string" ? answer.error : "it says it is not healthy";
}

/**
 * Whether the server has enabled JetStream for the account, which it does only when the account is first needed there.
 * In a cluster the leader answers "not enabled for account" until then, so this makes it look: listing connections does.
 */
export async function hasJetStream(monitorPort: number, account: string): Promise<boolean> {
  if ((await getJson(monitorPort, `/connz?acc=${account}&limit=1`)) === undefined) return false;
  const details = (await getJson(monitorPort, `/jsz?acc=${account}`))?.account_details;
  return Array.isArray(details) && details.length > 0;
}

/** Whether JetStream's leader of the cluster, if this is it, sees `nodes` healthy members. */
export async function leadsAll(monitorPort: number, name: string, nodes: number): Promise<boolean> {
  const meta = (await getJson(monitorPort, "/jsz"))?.meta_cluster;
  if (!isMembers(meta) || meta.leader !== name || meta.cluster_size !== nodes || !Array.isArray(meta.replicas))
    return false;
  const followers = meta.replicas.filter((peer) => isMembers(peer) && peer.current === true && peer.offline !== true);
  return followers.length === nodes - 1;
}

/** The part of a log written after `offset`. */
export async function logSince(path: string, offset: number): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.max(0, size - offset));
    await file.read(buffer, 0, buffer.length, offset);
    return buffer.toString("utf8");
  } finally {
    await file.close();
  }
}

type Members = { readonly [member: string]: unknown };

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function getJson(port: number, path: string): Promise<Members | undefined> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path, timeout: 2_000, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (body += part));
      response.on("error", () => resolve(undefined));
      response.on("end", () => resolve(parse(body)));
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(undefined));
  });
}

function parse(body: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
