// A program that ends by an error nobody catches; the first argument says how.
import { defineServiceContract } from "@trellis/contracts";
import { TrellisService } from "@trellis/server/node";

const contract = defineServiceContract({}, () => ({ id: "lone@v1", displayName: "Lone", description: "Alone." }));
const how = process.argv[2];

if (how === "listening") process.on("uncaughtException", (error) => console.log(`heard ${error.name}`));
if (how === "catching") {
  await TrellisService.connect({ contract }).catch((error: unknown) => console.log(`caught ${String(error)}`));
} else if (how === "mistaken") {
  throw new TypeError("a mistake of this program");
} else {
  await TrellisService.connect({ contract });
}
