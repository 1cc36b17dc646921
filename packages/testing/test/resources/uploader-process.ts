// Uploads for ever, to be killed in the middle of it. argv: url, seed file, object name.
import { TrellisService } from "@trellis/server/node";
import "../../src/leave-with-parent.ts";
import { stock } from "./stock-contract.ts";

const [url = "", seedFile = "", name = ""] = process.argv.slice(2);
const service = await TrellisService.connect({ contract: stock, url, seedFile, env: {} });
let told = false;
await service.store.files.put(name, endless(), {
  onProgress: ({ bytes }) => {
    if (told || bytes < 5_000_000) return;
    told = true;
    console.log("uploading");
  },
});

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) {
    yield new Uint8Array(131_072);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
