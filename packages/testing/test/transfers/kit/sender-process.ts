// Uploads a made file and reads it again: `TRELLIS_URL=… TRELLIS_USER_KEY_FILE=… node sender-process.ts <bytes> <name>`.
import { createHash } from "node:crypto";
import { TrellisClient } from "@trellis/client/node";
import { madeBytes } from "./lending.ts";
import { reader } from "./library-contract.ts";
import { watchMemory } from "./memory.ts";

const [, , size = "0", name = "made"] = process.argv;
const bytes = Number(size);
const piece = madeBytes(0, 65_536);
const client = await TrellisClient.connect({ contract: reader, onNotice: () => undefined });
watchMemory();

async function* body(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes; at += piece.length) yield piece.subarray(0, Math.min(piece.length, bytes - at));
}

let told = 0;
const started = await client.operation.files.put
  .input({ name })
  .transfer(body(), {
    onProgress: (progress) => {
      if (progress.bytes < told) return;
      told = progress.bytes + 2 ** 22;
      console.log(`sent ${progress.bytes}`);
    },
  })
  .start()
  .orThrow();
const sent = await started.uploaded.orThrow();
console.log(`uploaded ${sent.size} ${sent.digest}`);
console.log(`shelved ${(await started.wait().orThrow()).size}`);
const download = await client.rpc.files.read({ name }).orThrow();
const hash = createHash("sha256");
let received = 0;
for await (const part of download.read()) {
  hash.update(part);
  received += part.length;
}
console.log(`downloaded ${received} ${hash.digest("base64url")}`);
await client.close();
