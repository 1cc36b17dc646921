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
 * opens no second. Fits nats.js as an authenticator.
 */
export function connectAuthenticator(identity: ConnectIdentity): (nonce?: string) => { auth_token: string } {
  const { key, contractDigest, clock, sha256 } = identity;
  return (nonce = "") => {
    const iat = clock.nowSeconds();
    const digests = connectTokenDigests({ iat, contractDigest, nonce }, sha256);
    return {
      auth_token: encodeConnectToken({
        v: 1,
        sessionKey: key.publicKey,
        contractDigest,
        iat,
        sig: encodeBase64url(key.sign(digests.sig)),
        nonceSig: encodeBase64url(key.sign(digests.nonceSig)),
      }),
    };
  };
}
