// Keys and the cryptography a runtime brings.
export { createSessionKey, newSeed, portableCrypto, SEED_BYTES, sessionKeyFromSeed } from "./session-key.ts";
export type { AuthCrypto, SessionKey } from "./session-key.ts";

// Getting a session.
export { bootstrap } from "./bootstrap.ts";
export type { BootstrapError, BootstrapOptions } from "./bootstrap.ts";
export type { PostAnswer, PostJson } from "./post-json.ts";
export { connectAuthenticator } from "./connect-authenticator.ts";
export type { ConnectIdentity } from "./connect-authenticator.ts";
export { ServerClock } from "./server-clock.ts";
