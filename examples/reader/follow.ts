// node follow.ts: shows the places of all books, on this device and every other, as they change.
import { TrellisClient } from "@trellis/client/node";
import contract from "./contract.ts";

await using client = await TrellisClient.connect({ contract });

for await (const change of client.state.places.watch()) {
  if (change.type === "ready") console.log("that is all there is");
  else if (change.type === "put") console.log(`${change.key} is open at page ${change.value.page}`);
  else if (change.type === "end") console.log(`${change.key} is closed`);
}
