import { nodeCrypto } from "@trellis/auth/node";
import type { SessionKey } from "@trellis/auth";
import { ServerClock } from "@trellis/auth";
import { connectLink, createRequestSigner } from "@trellis/client/internal";
import { nodeConnect } from "@trellis/client/node";
import { createDirectUser, directAuthenticator, loadControlPlaneKeys } from "@trellis/nats";
import { decodeError, inboxPrefix, isErrorReply } from "@trellis/protocol";
import { join } from "node:path";
import type { TestPlatform } from "../../../src/index.ts";

export type RawAnswer = { readonly answered: true } | { readonly answered: false; readonly error: Error };

/**
 * Sends requests signed by a session over a connection that no callout let in and nobody kicks: what is refused here
 * is refused by the service itself.
 */
export async function connectUnchecked(platform: TestPlatform, key: SessionKey) {
  const keys = await loadControlPlaneKeys(join(platform.local.directory, "operator"));
  const authenticator = directAuthenticator(createDirectUser(keys, "TRELLIS", { name: "unchecked" }));
  const link = await connectLink({
    connect: nodeConnect,
    inboxPrefix: inboxPrefix(key.publicKey),
    plan: () => ({ servers: platform.local.nats.servers, authenticator }),
  });
  const signer = createRequestSigner({ key, clock: new ServerClock(), sha256: nodeCrypto.sha256 });
  return {
    async ask(subject: string, input: unknown, timeoutMs = 2_000): Promise<RawAnswer> {
      const payload = new TextEncoder().encode(JSON.stringify(input));
      try {
        const answer = await link.request(subject, payload, {
          headers: signer.sign(subject, payload, timeoutMs),
          timeoutMs,
        });
        return isErrorReply(answer.headers) ? { answered: false, error: decodeError(answer.data) } : { answered: true };
      } catch (error) {
        return { answered: false, error: error instanceof Error ? error : new Error(String(error)) };
      }
    },
    [Symbol.asyncDispose]: () => link.close(),
  };
}
