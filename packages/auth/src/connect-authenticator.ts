import { encodeBase64url } from "@trellis/contracts";
import { connectTokenDigests, encodeConnectToken } from "@trellis/protocol";
import type { Sha256 } from "@trellis/protocol";
import type { ServerClock } from "./server-clock.ts";
import type { SessionKey } from "./session-key.ts";

export interface ConnectIdentity {
  readonly key: SessionKey;
  readonly contractDigest: string;
  readonly clock: ServerClock;
  readonly sha256: Sha256;
}

/**
 * What NATS asks on every connection: a connect token that signs the nonce of this very connection, so a captured one
 * opens no second. Fits nats.js as an authenticator. The server passes its nonce on to the callout only when the client
 * sends some signature with CONNECT; without `sig` beside the token every connect would be refused.
 */
export function connectAuthenticator(
  identity: ConnectIdentity,
): (nonce?: string) => { auth_token: string; sig: string } {
  const { key, contractDigest, clock, sha256 } = identity;
  return (nonce = "") => {
    const iat = clock.nowSeconds();
    const digests = connectTokenDigests({ iat, contractDigest, nonce }, sha256);
    const nonceSig = encodeBase64url(key.sign(digests.nonceSig));
    return {
      sig: nonceSig,
      auth_token: encodeConnectToken({
        v: 1,
        sessionKey: key.publicKey,
        contractDigest,
        iat,
        sig: encodeBase64url(key.sign(digests.sig)),
        nonceSig,
      }),
    };
  };
}
