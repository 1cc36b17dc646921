import { join } from "node:path";
import { createNodeSessionKey, loadOrCreateSeedFile, nodeCrypto, nodeSessionKey } from "@trellis/auth/node";
import { connectSession } from "@trellis/client/internal";
import type { LinkMessage, Session } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import type { AnyContract, Json } from "@trellis/contracts";
import { encodeTransferOpening, isJsonObject, parseTransferGrant } from "@trellis/protocol";
import type { TransferGrant } from "@trellis/protocol";
import type { TestPlatform } from "../../../src/index.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Another person, with a key and a session of their own. */
export async function connectStranger(platform: TestPlatform, name: string, contract: AnyContract): Promise<Session> {
  const { auth } = platform.admin.rpc;
  const user = await auth.usersCreate({ name, groups: ["admin"] }).orThrow();
  const { seed } = loadOrCreateSeedFile(join(platform.local.directory, `${name}.seed`));
  await auth.usersAddKey({ user: user.id, key: nodeSessionKey(seed).publicKey }).orThrow();
  return connectSession({
    url: platform.url,
    key: createNodeSessionKey(),
    enrol: nodeSessionKey(seed),
    contract,
    kind: "agent",
    crypto: nodeCrypto,
    connect: nodeConnect,
    transport: "tcp",
    onNotice: () => undefined,
  });
}

/** Asks a subject and reads the grant out of the answer. */
export async function askForGrant(session: Session, subject: string, body: Json): Promise<TransferGrant> {
  const payload = encoder.encode(JSON.stringify(body));
  const headers = session.signer.sign(subject, payload, 10_000);
  const answer = await session.link.request(subject, payload, { headers, timeoutMs: 10_000 });
  const json: unknown = JSON.parse(decoder.decode(answer.data));
  const grant = isJsonObject(json) ? parseTransferGrant(json["transfer"]) : undefined;
  if (grant === undefined) throw new Error(`no grant: ${decoder.decode(answer.data)}`);
  return grant;
}

/** What came on a stream: the text of JSON, the length of bytes. */
export interface Heard {
  readonly messages: LinkMessage[];
  readonly texts: () => string[];
}

/** Opens a transfer by hand, or whatever else is asked of its subject. */
export function openByHand(session: Session, { subject }: TransferGrant, reply?: string): Heard & { again(): void } {
  const messages: LinkMessage[] = [];
  const { link, signer } = session;
  const inbox = link.openStream((message) => messages.push(message));
  const payload = encodeTransferOpening({ after: 0 });
  const headers = signer.sign(subject, payload, 10_000);
  const send = (): void => link.publish(subject, payload, { headers, reply: reply ?? inbox.subject });
  send();
  return { messages, texts: () => messages.map(({ data }) => decoder.decode(data)), again: send };
}
