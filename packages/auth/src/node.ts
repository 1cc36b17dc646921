/// <reference types="node" />
export {
  CACHED_PUBLIC_KEYS,
  nodeCrypto,
  nodeSha256,
  verifySignature,
  verifySignatureSync,
} from "./node/node-crypto.ts";
export { nodePostJson } from "./node/node-post-json.ts";
export { createNodeSessionKey, nodeSessionKey } from "./node/node-key.ts";
export { loadOrCreateSeedFile, readSeedFile, refuseOpenFile, SeedFileError, writeSeedFile } from "./node/seed-file.ts";
