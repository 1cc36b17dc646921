import { createNodeSessionKey, nodeCrypto, nodeSessionKey, readSeedFile } from "@trellis/auth/node";
import { createClient } from "@trellis/client";
import { connectSession } from "@trellis/client/internal";
import type { Link } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import type { AnyContract } from "@trellis/contracts";
import { HEADERS } from "@trellis/protocol";
import type { TestPlatform } from "../../../src/index.ts";

/** What becomes of a chunk on its way: `undefined` lets it through; otherwise what is sent instead, if anything. */
export type Mischief = (seq: number, data: Uint8Array) => readonly Uint8Array[] | undefined;

/** A client whose chunks get lost, doubled and damaged on the way to NATS. */
export async function connectUnsound<const C extends AnyContract>(
  platform: TestPlatform,
  contract: C,
  mischief: Mischief,
) {
  const session = await connectSession({
    url: platform.url,
    key: createNodeSessionKey(),
    enrol: nodeSessionKey(readSeedFile(platform.local.developer.keyFile)),
    contract,
    kind: "agent",
    crypto: nodeCrypto,
    connect: nodeConnect,
    transport: "tcp",
    onNotice: () => undefined,
  });
  const { link, signer, clock } = session;
  const client = createClient({
    contract,
    transport: { link: unsound(link, mischief), signer, clock, refresh: () => session.refresh() },
    onClose: () => session.close(),
  });
  return { client, session };
}

function unsound(link: Link, mischief: Mischief): Link {
  return {
    get state() {
      return link.state;
    },
    inboxPrefix: link.inboxPrefix,
    get maxPayloadBytes() {
      return link.maxPayloadBytes;
    },
    get waiting() {
      return link.waiting;
    },
    onState: (listener) => link.onState(listener),
    publish(subject, data, options) {
      const seq = options?.headers?.get(HEADERS.transferSeq) ?? "";
      const instead = seq === "" ? undefined : mischief(Number(seq), data);
      for (const each of instead ?? [data]) link.publish(subject, each, options);
    },
    request: (...request) => link.request(...request),
    subscribe: (...subscription) => link.subscribe(...subscription),
    openStream: (onMessage) => link.openStream(onMessage),
    openPull: (...pull) => link.openPull(...pull),
    hearRefusals: (...hear) => link.hearRefusals(...hear),
    flush: () => link.flush(),
    renew: () => link.renew(),
    drain: () => link.drain(),
    close: () => link.close(),
  };
}
