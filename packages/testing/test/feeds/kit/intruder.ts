import { nodeCrypto, createNodeSessionKey, nodeSessionKey, readSeedFile } from "@trellis/auth/node";
import { connectSession } from "@trellis/client/internal";
import type { Session } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import type { AnyContract } from "@trellis/contracts";
import type { TestPlatform } from "../../../src/index.ts";

/** A participant with the permissions of its contract and none of the manners of our runtime. */
export interface Intruder extends AsyncDisposable {
  readonly session: Session;
  /** What NATS refused it, and whatever else its link had to say. */
  readonly trouble: readonly string[];
}

/** Connects as the developer, with a session of its own. */
export async function connectIntruder(platform: TestPlatform, contract: AnyContract): Promise<Intruder> {
  const trouble: string[] = [];
  const session = await connectSession({
    url: platform.url,
    key: createNodeSessionKey(),
    enrol: nodeSessionKey(readSeedFile(platform.local.developer.keyFile)),
    contract,
    kind: "agent",
    crypto: nodeCrypto,
    connect: nodeConnect,
    transport: "tcp",
    onNotice: (message) => trouble.push(message),
  });
  return { session, trouble, [Symbol.asyncDispose]: () => session.close() };
}
