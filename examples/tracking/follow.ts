import { TrellisClient } from "@trellis/client/node";
import screen from "./screen.ts";

await using client = await TrellisClient.connect({ contract: screen });

let shown = 0;
for await (const { van, step, north, east } of client.feed.vans.positions({ van: "blue" })) {
  console.log(`${step} ${van} ${north} ${east}`);
  if ((shown += 1) === 10) break; // closes the feed at once; the handler's signal aborts
}
