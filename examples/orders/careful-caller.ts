import { TrellisClient } from "@trellis/client/node";
import { TransportError } from "@trellis/protocol";
import { OrderNotFound } from "./contract.ts";
import dashboard from "./dashboard.ts";

await using client = await TrellisClient.connect({ contract: dashboard });

const found = await client.rpc.orders.get({ id: "o_404" });
if (found.ok) {
  console.log(found.value.status);
} else if (found.error instanceof OrderNotFound) {
  console.log(`${found.error.message}; is the number right?`); // declared by the contract
} else if (found.error instanceof TransportError && found.error.retryable) {
  console.log(found.error.hint);
} else {
  throw found.error;
}
