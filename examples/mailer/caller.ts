import { TrellisClient } from "@trellis/client/node";
import contract from "./clerk.ts";

await using client = await TrellisClient.connect({ contract });
for (const to of ["ada@example.org", "grace@example.org", "nobody"]) {
  const { job } = await client.rpc.mail.send({ to, text: "Hello!" }).orThrow();
  console.log(`${to}: job ${job}`);
}
