// Reads one feed until it is killed: `TRELLIS_URL=… TRELLIS_USER_KEY_FILE=… node reader-process.ts <label>`.
import { TrellisClient } from "@trellis/client/node";
import { listener } from "./ticker-contract.ts";

const client = await TrellisClient.connect({ contract: listener });
for await (const { n } of client.feed.ticker.count({ everyMs: 20, label: process.argv[2] ?? "" })) {
  if (n === 3) console.log("reading");
}
